// What k6 itself costs: the plain script's exchange of messages, of which this script looks at none.
//
// k6 run --vus AT_ONCE --iterations SESSIONS -e URL=ws://127.0.0.1:PORT/ws/mcp?lines=1 floor.js

import ws from 'k6/ws';

const { URL: url } = __ENV;
const execute = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'execute', params: { command: 'bench' } });
/** `connected`, response, `process.started`, one line of output, `process.completed`. */
const expected = 5;

export default function run() {
  ws.connect(url, {}, (socket) => {
    let received = 0;
    socket.on('message', () => {
      received += 1;
      if (received === 1) socket.send(execute);
      else if (received === expected) socket.ping();
    });
    socket.on('pong', () => socket.close());
    socket.setTimeout(() => socket.close(), 60_000);
  });
}
