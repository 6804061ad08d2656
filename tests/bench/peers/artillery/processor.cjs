// Artillery has no closed model: it starts virtual users at a rate, drops those beyond maxVusers, and its ws engine opens one
// connection for each. Here as many users come as sessions are to be open at once, and each loops: the engine's connection
// is its first session, and it opens the others with the engine's own `ws`. A rate instead would measure the rate.
const WebSocket = require('ws');

const execute = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'execute', params: { command: 'bench' } });
const patienceMs = 60_000;
// Each user's first session is its own, however late the user comes.
let left = Number(process.env.PEER_SESSIONS) - Number(process.env.PEER_AT_ONCE);

/** Resolves when the session is verified and closed. */
const session = (socket, events) =>
  new Promise((resolve, reject) => {
    const outputs = [];
    let problem = 'expected process.completed, received the end of the connection';
    const end = (reason) => {
      problem = reason;
      socket.close();
    };
    const timer = setTimeout(() => {
      problem = `expected the end of the session within ${patienceMs} ms`;
      socket.terminate();
    }, patienceMs);
    socket.on('message', (data) => {
      events.emit('counter', 'websocket.messages_received', 1);
      const text = data.toString();
      const { method, params, error } = JSON.parse(text);
      if (method === 'connected') {
        events.emit('counter', 'websocket.messages_sent', 1);
        socket.send(execute);
      } else if (method === 'process.output') outputs.push(params.data);
      else if (method === 'process.completed') {
        if (params.exit_code !== 0) end(`expected exit_code 0, received ${text}`);
        else if (outputs.length === 1 && outputs[0] === 'Line 0: \n') end(undefined);
        else end(`expected the one line "Line 0: ", received ${JSON.stringify(outputs)}`);
      } else if (error !== undefined) end(`expected a result of execute, received ${text}`);
    });
    socket.on('error', (error) => {
      problem = error.message;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      if (problem === undefined) resolve();
      else reject(new Error(problem));
    });
  });

/** A step of the flow: one session; the engine counts the error of one that failed, and ends its user. */
const runSession = async (context, events) => {
  const socket = context.ws.readyState === WebSocket.OPEN ? context.ws : new WebSocket(process.env.PEER_URL);
  const start = performance.now();
  await session(socket, events);
  events.emit('counter', 'sessions.verified', 1);
  events.emit('histogram', 'sessions.duration', performance.now() - start);
};

const someAreLeft = (_context, done) => {
  left -= 1;
  done(left >= 0);
};

module.exports = { runSession, someAreLeft };
