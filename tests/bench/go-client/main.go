// A raw client of the bench: it reads one session's messages without parsing them, and is close to what a client can read at most.
//
// Usage: client URL LINES. It exits with 0 only if so many messages of output came before the completion.
package main

import (
	"bytes"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

const (
	execute = `{"jsonrpc":"2.0","id":1,"method":"execute","params":{"command":"bench"}}`
	// The session may take no longer: a deadline for each message would be work of its own.
	patience = 2 * time.Minute
)

var (
	connected = []byte(`"connected"`)
	output    = []byte("process.output")
	completed = []byte("process.completed")
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatalf("expected a URL and a number of lines, received %d arguments", len(os.Args)-1)
	}
	expected, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatalf("expected a number of lines, received %q", os.Args[2])
	}

	socket, _, err := websocket.DefaultDialer.Dial(os.Args[1], nil)
	if err != nil {
		log.Fatalf("expected a connection, received: %v; is the server running?", err)
	}
	defer socket.Close()
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		log.Fatal(err)
	}
	if text := next(socket); !bytes.Contains(text, connected) {
		log.Fatalf("expected the notification connected, received %.200s", text)
	}
	if err := socket.WriteMessage(websocket.TextMessage, []byte(execute)); err != nil {
		log.Fatalf("expected to send execute, received: %v", err)
	}

	lines := 0
	for {
		text := next(socket)
		if bytes.Contains(text, output) {
			lines++
		} else if bytes.Contains(text, completed) {
			break
		}
	}
	if lines != expected {
		log.Fatalf("expected %d lines of output, received %d", expected, lines)
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := socket.WriteControl(websocket.CloseMessage, bye, time.Now().Add(patience)); err != nil {
		log.Fatalf("expected to close, received: %v", err)
	}
	if _, _, err := socket.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		log.Fatalf("expected a close frame with 1000 and nothing else behind the completion, received: %v", err)
	}
}

func next(socket *websocket.Conn) []byte {
	_, text, err := socket.ReadMessage()
	if err != nil {
		log.Fatalf("expected a message, received: %v", err)
	}
	return text
}
