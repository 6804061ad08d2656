// The bench's work as a plain k6 script, the way one is written without this project.
//
// k6 run --vus AT_ONCE --iterations SESSIONS -e URL=ws://127.0.0.1:PORT/ws/mcp -e LINES=1 plain.js

import { Counter } from 'k6/metrics';
import ws from 'k6/ws';

const { URL: url, LINES = '1' } = __ENV;
const lines = Number(LINES);

const verified = new Counter('sessions_verified');
const failed = new Counter('sessions_failed');

export const options = {
  thresholds: { sessions_verified: ['count>0'], sessions_failed: ['count==0'] },
};

const session = () => {
  let state = 'connecting';
  let output = 0;
  let problem = '';
  const response = ws.connect(url, {}, (socket) => {
    const fail = (expected, received) => {
      problem = `expected ${expected}, received ${received}`;
      socket.close();
    };
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      if (state === 'connecting' && message.method === 'connected') {
        state = 'connected';
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'execute', params: { command: 'bench' } }));
      } else if (state === 'connected' && message.id === 1 && message.result) {
        state = 'running';
      } else if (state === 'running' && message.method === 'process.started') {
        state = 'started';
      } else if (state === 'started' && message.method === 'process.output') {
        output += 1;
        if (lines === 1 && message.params.data !== 'Line 0: \n') fail('the text "Line 0: "', text);
      } else if (state === 'started' && message.method === 'process.completed') {
        if (message.params.exit_code !== 0) fail('exit_code 0', text);
        else if (output === lines) {
          state = 'draining';
          socket.ping();
        } else fail(`${lines} lines`, output);
      } else fail(`what follows ${state}`, text);
    });
    socket.on('pong', () => {
      if (state === 'draining') state = 'drained';
      socket.close();
    });
    socket.on('error', (error) => {
      problem = error.error();
    });
    socket.setTimeout(() => fail('the end of the session within 60 s', state), 60_000);
  });
  if (response.status !== 101) problem = `expected status 101, received ${response.status} ${response.error}`;
  if (problem !== '') console.error(problem);
  return problem === '' && state === 'drained';
};

export default function run() {
  let ok = false;
  try {
    ok = session();
  } finally {
    (ok ? verified : failed).add(1);
  }
}
