import { excerpt } from '../jsonrpc/messages.ts';

/** How a service broke the framing of RFC 6455, by a library's error; undefined where the error is another. */
export const framingViolation = (failure: string): string | undefined => {
  // All that k6/ws shows of it: gorilla has sent a close frame of its own accord, which it does for this alone.
  if (failure === 'websocket: close sent') {
    return 'the service sent a frame that RFC 6455 forbids; k6 does not say which, but ws-stress conformance does';
  }
  // In the words of gorilla and of Node's ws.
  const broken =
    /^(?:websocket: )?((?:RSV\d set|bad opcode|bad MASK|len > 125|FIN not set|data before FIN|continuation after FIN|bad close code|invalid utf8|invalid close payload|Invalid WebSocket frame).*)$/s.exec(
      failure,
    )?.[1];
  return broken === undefined ? undefined : `the service sent a frame that RFC 6455 forbids: ${broken}`;
};

/** What is wrong with a response to the opening handshake whose status is 101 (RFC 6455 §4.1), by its headers. */
export const badUpgrade = (headers: Readonly<Record<string, string>>): string => {
  const header = (name: string): string | undefined => {
    const found = Object.keys(headers).find((each) => each.toLowerCase() === name.toLowerCase());
    return found === undefined ? undefined : headers[found];
  };
  const lacks = (name: string, value: string): boolean =>
    !(header(name) ?? '').split(',').some((each) => each.trim().toLowerCase() === value);
  const received = (name: string): string => (header(name) === undefined ? 'none' : excerpt(header(name) ?? ''));
  const wrong = (): string => {
    if (lacks('Upgrade', 'websocket')) return `expected the header Upgrade: websocket, received ${received('Upgrade')}`;
    if (lacks('Connection', 'upgrade'))
      return `expected the header Connection: Upgrade, received ${received('Connection')}`;
    if (header('Sec-WebSocket-Extensions') !== undefined)
      return `expected no extension, for none was asked for, received Sec-WebSocket-Extensions ${received('Sec-WebSocket-Extensions')}`;
    return `expected a Sec-WebSocket-Accept that answers the key of the request, received ${received('Sec-WebSocket-Accept')}`;
  };
  return `bad opening handshake with status 101: ${wrong()}`;
};

/** The end of a connection, by the code of its close frame and the library's error, if it had one. */
export interface ConnectionEnd {
  /** 1006 where no close frame came (RFC 6455 §7.1.5). */
  code: number;
  detail: string;
}

/**
 * What the end of a connection means. k6/ws calls an end by an error 1001, though no close frame came, and k6/websockets then
 * gives neither a code nor an error.
 */
export const connectionEnd = (code: number | undefined, failure: string): ConnectionEnd => {
  if (code === undefined) {
    const detail = 'the connection broke: a reset, or a frame that RFC 6455 forbids; k6 does not say which';
    return { code: 1006, detail: failure === '' ? detail : `the connection broke: ${failure}` };
  }
  const isBroken = failure !== '' && !/\bclose \d{4}\b/.test(failure);
  if (isBroken && (code === 1001 || code === 1006)) {
    const how = /reset|broken pipe|forcibly closed/i.test(failure) ? 'connection reset' : 'the connection broke';
    return { code: 1006, detail: `${how}: ${failure}` };
  }
  if (code === 1006) return { code, detail: 'the connection ended without a close frame' };
  return { code, detail: failure === '' ? 'closed by the service' : `closed by the service: ${failure}` };
};
