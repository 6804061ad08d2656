// What a competent user writes for the same work without this project: each message parsed, each line checked.
import ws from 'k6/ws';
import { Counter } from 'k6/metrics';

const succeeded = new Counter('succeeded');
const lines = Number(__ENV.LINES ?? 1);
const form = new RegExp(__ENV.FORM ?? '^Line ');

export const options = { thresholds: { succeeded: [`count==${__ENV.SESSIONS ?? 1}`] } };

export default function () {
  const request = { jsonrpc: '2.0', id: 1, method: 'execute', params: { command: 'echo' } };
  ws.connect(__ENV.URL, null, (socket) => {
    let count = 0;
    let good = true;
    let done = false;
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      switch (message.method) {
        case 'connected':
          socket.send(JSON.stringify(request));
          break;
        case 'process.output':
          count++;
          if (__ENV.FORM && !form.test(message.params.data)) good = false;
          if (lines === 1 && message.params.data !== 'Line 0: \n') good = false;
          break;
        case 'process.completed':
          done = message.params.exit_code === 0;
          socket.ping();
          break;
        default:
      }
    });
    socket.on('pong', () => socket.close(1000));
    socket.on('close', () => {
      if (done && good && count === lines) succeeded.add(1);
    });
    socket.setTimeout(() => socket.close(1001), 120000);
  });
}
