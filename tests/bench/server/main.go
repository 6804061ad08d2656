// The load server of the bench: it speaks the protocol with synthetic output, so that the client is what is measured.
//
// What a session's `execute` prints is said by the query of its URL: `lines` (1), `width` of the text in each (0), `form`
// (`numbered` or `random`), `seed`, `hold`, milliseconds before it prints anything, and `piece`, bytes that are written at once
// (65536; with 1 each message is written on its own, as most services do). Every client is measured alike, from here: GET /figures tells what has been served since
// the last GET, DELETE forgets it.
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	connected = `{"jsonrpc":"2.0","method":"connected","params":{"session_id":"00000000-0000-4000-8000-000000000000","version":"1.0.0","capabilities":["execute","control","stream"]}}`
	started   = `{"jsonrpc":"2.0","method":"process.started","params":{"status":"started","pid":1000,"pgid":1000,"exit_code":null,"error":null}}`
	completed = `{"jsonrpc":"2.0","method":"process.completed","params":{"status":"completed","pid":1000,"pgid":1000,"exit_code":0,"error":null,"execution_time":0.001,"early_completion_detected":false,"early_completion_time":null,"time_saved":0,"completion_marker":null}}`
	head      = `{"jsonrpc":"2.0","method":"process.output","params":{"type":"stdout","data":"`
	tail      = `\n","truncated":false,"chunk_index":null,"total_chunks":null}}`
)

// Figures of what was served. Times are milliseconds.
type Figures struct {
	Opened    int64 `json:"opened"`
	Completed int64 `json:"completed"`
	// From the first opening handshake to the last close, of sessions that executed something.
	SpanMs float64 `json:"spanMs"`
	Lines  int64   `json:"lines"`
	Bytes  int64   `json:"bytes"`
	// From `execute` to what the client sent after completion, its ping or its close; the longest session.
	OutputMs float64 `json:"outputMs"`
	// The most sessions that were open at once.
	MostOpen int64 `json:"mostOpen"`
}

var (
	mutex       sync.Mutex
	figures     Figures
	firstOpen   time.Time
	lastClose   time.Time
	openNow     atomic.Int64
	upgrader    = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	randomBytes = []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:-_/")
)

type output struct {
	lines, width int
	// Bytes of output that are written at once, at least one message.
	piece  int
	random bool
	seed   int64
	hold   time.Duration
}

func outputOf(request *http.Request) output {
	query := request.URL.Query()
	number := func(name string, otherwise int) int {
		value, err := strconv.Atoi(query.Get(name))
		if err != nil {
			return otherwise
		}
		return value
	}
	return output{
		lines: number("lines", 1), width: number("width", 0), piece: number("piece", 64<<10), random: query.Get("form") == "random",
		seed: int64(number("seed", 1)), hold: time.Duration(number("hold", 0)) * time.Millisecond,
	}
}

// A text frame of a server (RFC 6455 §5.2), behind what is there.
func frame(buffer []byte, length int) []byte {
	switch {
	case length < 126:
		return append(buffer, 0x81, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(buffer, 0x81, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(buffer, 0x81, 127), uint64(length))
	}
}

func message(buffer []byte, text string) []byte {
	return append(frame(buffer, len(text)), text...)
}

func (o output) write(connection net.Conn, buffer []byte) ([]byte, int64, error) {
	fill := strings.Repeat("x", o.width)
	source := rand.New(rand.NewSource(o.seed))
	random := make([]byte, o.width)
	var number []byte
	bytes := int64(0)
	for i := 0; i < o.lines; i++ {
		number = strconv.AppendInt(number[:0], int64(i), 10)
		length := len(head) + len("Line : ") + len(number) + o.width + len(tail)
		buffer = append(frame(buffer, length), head...)
		buffer = append(append(append(buffer, "Line "...), number...), ": "...)
		if o.random {
			bits := source.Int63()
			for k := range random {
				if bits < 64 {
					bits = source.Int63()
				}
				random[k] = randomBytes[int(bits%int64(len(randomBytes)))]
				bits /= int64(len(randomBytes))
			}
			buffer = append(buffer, random...)
		} else {
			buffer = append(buffer, fill...)
		}
		buffer = append(buffer, tail...)
		bytes += int64(length)
		if len(buffer) >= o.piece {
			if _, err := connection.Write(buffer); err != nil {
				return buffer[:0], bytes, err
			}
			buffer = buffer[:0]
		}
	}
	return buffer, bytes, nil
}

func serve(writer http.ResponseWriter, request *http.Request) {
	opened := time.Now()
	socket, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	out := outputOf(request)
	mutex.Lock()
	figures.Opened++
	figures.MostOpen = max(figures.MostOpen, openNow.Add(1))
	mutex.Unlock()

	connection := socket.NetConn()
	var executed, done time.Time
	bytes := int64(0)
	// What a client sends behind the completion tells that it has taken all of it.
	taken := func() {
		if !done.IsZero() || executed.IsZero() {
			return
		}
		done = time.Now()
	}
	defer func() {
		socket.Close()
		mutex.Lock()
		defer mutex.Unlock()
		openNow.Add(-1)
		if !executed.IsZero() {
			lastClose = time.Now()
		}
		if !done.IsZero() {
			figures.Completed++
			figures.Lines += int64(out.lines)
			figures.Bytes += bytes
			figures.OutputMs = max(figures.OutputMs, float64(done.Sub(executed))/1e6)
		}
	}()
	socket.SetPingHandler(func(data string) error {
		taken()
		return socket.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Minute))
	})
	if _, err := connection.Write(message(nil, connected)); err != nil {
		return
	}
	for {
		_, text, err := socket.ReadMessage()
		if err != nil {
			taken()
			return
		}
		var asked struct {
			Method string          `json:"method"`
			ID     json.RawMessage `json:"id"`
		}
		if json.Unmarshal(text, &asked) != nil || asked.ID == nil {
			continue
		}
		if asked.Method != "execute" {
			answer := fmt.Sprintf(`{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":%s}`, asked.ID)
			if _, err := connection.Write(message(nil, answer)); err != nil {
				return
			}
			continue
		}
		executed, done = time.Now(), time.Time{}
		mutex.Lock()
		if firstOpen.IsZero() || opened.Before(firstOpen) {
			firstOpen = opened
		}
		mutex.Unlock()
		buffer := message(nil, fmt.Sprintf(`{"jsonrpc":"2.0","result":{"status":"started","pid":1000,"pgid":1000},"id":%s}`, asked.ID))
		buffer = message(buffer, started)
		if out.hold > 0 {
			if _, err := connection.Write(buffer); err != nil {
				return
			}
			// Not here, where it would not be seen that the client has gone.
			time.AfterFunc(out.hold, func() {
				late, _, err := out.write(connection, nil)
				if err == nil {
					_, _ = connection.Write(message(late, completed))
				}
			})
			continue
		}
		var written int64
		if buffer, written, err = out.write(connection, buffer); err != nil {
			return
		}
		bytes += written
		if _, err := connection.Write(message(buffer, completed)); err != nil {
			return
		}
	}
}

func health(writer http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(writer, `{"status":"healthy","service":"bench_server","version":"1.0.0","active_sessions":%d,"max_sessions":1000000}`, openNow.Load())
}

func tell(writer http.ResponseWriter, request *http.Request) {
	mutex.Lock()
	defer mutex.Unlock()
	if request.Method == http.MethodDelete {
		figures, firstOpen, lastClose = Figures{MostOpen: openNow.Load()}, time.Time{}, time.Time{}
	}
	if !firstOpen.IsZero() {
		figures.SpanMs = max(0, float64(lastClose.Sub(firstOpen))/1e6)
	}
	_ = json.NewEncoder(writer).Encode(figures)
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "loopback address to listen on")
	flag.Parse()
	log.SetFlags(0)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		log.Fatalf("expected a loopback address, received %s", ip)
	}
	http.HandleFunc("/ws/mcp", serve)
	http.HandleFunc("/health", health)
	http.HandleFunc("/figures", tell)
	fmt.Println(listener.Addr())
	// It ends with whoever started it, and holds its standard input.
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, nil))
}
