import { isIP, type Socket } from 'node:net';

/** Resolves to so many bytes, and leaves what comes behind them. */
const take = (socket: Socket, bytes: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const settle = (error?: Error): boolean => {
      const found = error === undefined ? (socket.read(bytes) as Buffer | null) : null;
      if (error === undefined && found === null) return false;
      socket.off('readable', onReadable).off('error', settle).off('end', onEnd);
      if (found === null) reject(error ?? new Error('nothing was read'));
      else resolve(found);
      return true;
    };
    const onReadable = (): void => void settle();
    const onEnd = (): void => void settle(new Error('the proxy closed the connection'));
    if (!settle()) socket.on('readable', onReadable).on('error', settle).on('end', onEnd);
  });

const lengthAnd = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > 255) throw new Error('expected at most 255 bytes for a SOCKS proxy');
  return Buffer.from([bytes.length, ...bytes]);
};

/** RFC 1928 §6 */
const refusals = [
  'general failure',
  'connection not allowed',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'time to live expired',
  'command unknown',
  'kind of address unknown',
];

const [version, connect, named, noAuthentication, byPassword] = [5, 1, 3, 0, 2];

/** Has a SOCKS5 proxy, to which a socket is connected, connect to a host (RFC 1928, RFC 1929); throws why it does not. */
export const connectBySocks = async (
  socket: Socket,
  { username, password }: { username: string; password: string },
  host: string,
  port: number,
): Promise<void> => {
  const methods = username === '' ? [noAuthentication] : [noAuthentication, byPassword];
  socket.write(Buffer.from([version, methods.length, ...methods]));
  const [spoken, method] = await take(socket, 2);
  if (spoken !== version) throw new Error('the proxy does not speak SOCKS5');
  if (method === byPassword) {
    socket.write(Buffer.concat([Buffer.from([1]), lengthAnd(username), lengthAnd(password)]));
    const [, status] = await take(socket, 2);
    if (status !== 0) throw new Error('proxy answered that user or password are wrong');
  } else if (method !== noAuthentication) throw new Error('proxy answered that it wants another authentication');
  const address =
    isIP(host) === 4
      ? Buffer.from([1, ...host.split('.').map(Number)])
      : Buffer.concat([Buffer.from([named]), lengthAnd(host)]);
  socket.write(Buffer.concat([Buffer.from([version, connect, 0]), address, Buffer.from([port >> 8, port & 255])]));
  const [, reply = 1, , kind] = await take(socket, 4);
  if (reply !== 0) throw new Error(`proxy answered ${refusals[reply - 1] ?? `code ${reply}`}`);
  const rest = kind === 1 ? 4 : kind === 4 ? 16 : ((await take(socket, 1))[0] ?? 0);
  await take(socket, rest + 2);
};
