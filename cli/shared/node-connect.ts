import { lookup } from 'node:dns';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import path from 'node:path';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  rootCertificates,
  type SecureContext,
} from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { connectBySocks } from './socks.ts';
import { explainFailure, failureFrom, proxyOf, type Proxy } from '../../lib/load/connection.ts';
import type { Spelling } from '../../lib/load/settings.ts';

/** A service's address, and how it is spoken to. */
export interface Connection {
  /** ws:// or wss:// */
  url: string;
  /** Headers of the opening handshake. */
  headers: Readonly<Record<string, string>>;
  /** The TLS certificate is not verified. */
  insecure: boolean;
  /** A file of certificates (PEM) to trust. */
  caFile?: string;
}

/** How the service of some settings is reached; `caFile` has certificates to trust. */
export const connectionOf = (
  { url, headers, insecure }: Omit<Connection, 'caFile'>,
  caFile: string | undefined,
): Connection => ({ url, headers, insecure, ...(caFile !== undefined && { caFile }) });

/** The headers as k6 sends them: in UTF-8, where Node would send Latin-1 or refuse. */
export const headersAsSent = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  );

/** Of a request over HTTP: Go takes lines that end in a line feed alone, and 1 MiB of headers. */
export const asLenientAsK6 = { insecureHTTPParser: true, maxHeaderSize: 1_048_576 } as const;

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
};

/** The certificates of a file; none where it can't be read. */
const certificatesIn = (file: string): string[] => {
  try {
    const text = readFileSync(file, 'latin1');
    return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  } catch {
    return [];
  }
};

const filesOf = (folder: string): string[] => {
  try {
    return readdirSync(folder).map((name) => path.join(folder, name));
  } catch {
    return [];
  }
};

/** Where Go, and so k6, looks for the certificates of a Linux system: the first of the files, and all of the folders. */
const linuxFiles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const linuxFolders = ['/etc/ssl/certs', '/etc/pki/tls/certs'];

/** The certificates that k6 trusts: SSL_CERT_FILE replaces the system's file, and SSL_CERT_DIR its folders. */
const trustedCertificates = (caFile: string | undefined, env: NodeJS.ProcessEnv): string[] => {
  const file = caFile ?? (env.SSL_CERT_FILE || undefined);
  const given = file === undefined ? undefined : certificatesIn(file);
  if (process.platform !== 'linux') return [...(given ?? []), ...rootCertificates];
  const ofFile = given ?? linuxFiles.map(certificatesIn).find((found) => found.length > 0) ?? [];
  const folders = env.SSL_CERT_DIR ? env.SSL_CERT_DIR.split(':') : linuxFolders;
  const all = [...ofFile, ...folders.flatMap(filesOf).flatMap(certificatesIn)];
  return [...new Set(all)].filter(isCertificate);
};

const contexts = new Map<string | undefined, SecureContext>();

/** Made once, for a system has hundreds of certificates. */
const contextOf = (caFile: string | undefined): SecureContext => {
  const made = contexts.get(caFile) ?? createSecureContext({ ca: trustedCertificates(caFile, process.env) });
  contexts.set(caFile, made);
  return made;
};

/** One address of a host, the IPv4 one if there is one: k6 tries no other. */
const lookupAsK6: typeof lookup = ((host: string, options: object, done: () => void) =>
  lookup(host, { ...options, verbatim: false }, done)) as typeof lookup;

const connected = (socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once(event, () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });

const connectDirectly = (host: string, port: number): Promise<Socket> =>
  connected(connectTcp({ host, port, autoSelectFamily: false, lookup: lookupAsK6 }), 'connect');

const connectThroughSocks = async ({ url, authority }: Proxy, host: string, port: number): Promise<Socket> => {
  // By a scheme whose parts URL reads in full.
  const proxy = new URL(url.replace(/^socks5h?:/i, 'http:'));
  const socket = await connectDirectly(
    proxy.hostname.replace(/^\[|\]$/g, ''),
    Number(/:(\d+)$/.exec(authority)?.[1] ?? 1080),
  );
  try {
    const [username, password] = [decodeURIComponent(proxy.username), decodeURIComponent(proxy.password)];
    await connectBySocks(socket, { username, password }, host, port);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
};

/** A connection to a host that a proxy makes (RFC 9110 §9.3.6). */
const connectThrough = ({ url, authority }: Proxy, target: string): Promise<Socket> => {
  if (!/^http:/i.test(url)) throw new Error(`proxy: unknown scheme or one not supported: ${url.replace(/:.*/s, '')}`);
  const { hostname, port, username, password } = new URL(url);
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const asked = request({
    method: 'CONNECT',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port || 80,
    path: target,
    headers: { Host: target, ...(username !== '' && { 'Proxy-Authorization': `Basic ${credentials}` }) },
    createConnection: (_options, created) => {
      connectDirectly(hostname.replace(/^\[|\]$/g, ''), Number(port || 80)).then(
        (socket) => created(null, socket),
        (error: Error) => created(error, undefined as never),
      );
      return undefined;
    },
  });
  return new Promise((resolve, reject) => {
    asked.once('error', reject);
    asked.once('connect', (response, socket, head) => {
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(
        new Error(
          `proxy answered ${response.statusCode} ${response.statusMessage} to CONNECT ${target} (${authority})`,
        ),
      );
    });
    asked.end();
  });
};

/** Opens the connection over which a service is spoken to, as k6 does: one address, its trust, its proxy. */
const openSocket = async ({ url, insecure, caFile }: Connection): Promise<Socket> => {
  const { protocol, hostname, port: given } = new URL(url);
  const isSecure = protocol === 'wss:';
  const host = hostname.replace(/^\[|\]$/g, '');
  const port = Number(given || (isSecure ? 443 : 80));
  const proxy = proxyOf(url, process.env);
  const socket =
    proxy === undefined
      ? await connectDirectly(host, port)
      : /^socks5h?:/i.test(proxy.url)
        ? await connectThroughSocks(proxy, host, port)
        : await connectThrough(proxy, `${hostname}:${port}`);
  if (!isSecure) return socket;
  const secured = connectTls({
    socket,
    // RFC 6066 §3: an address is no server name.
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: !insecure,
    ...(!insecure && { secureContext: contextOf(caFile) }),
    checkServerIdentity: (_name, certificate) =>
      certificate.subjectaltname === undefined
        ? new Error('certificate relies on legacy Common Name field, use SANs instead')
        : checkServerIdentity(host, certificate),
  });
  try {
    return await connected(secured, 'secureConnect');
  } catch (error) {
    socket.destroy();
    throw error;
  }
};

/** Opens a connection to a service within a time, milliseconds. */
export const connectTo = async (connection: Connection, timeoutMs: number): Promise<Socket> => {
  const opening = openSocket(connection);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`i/o timeout: no connection within ${timeoutMs} ms`));
      opening.then(
        (socket) => socket.destroy(),
        () => undefined,
      );
    }, timeoutMs);
  });
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
};

type Created = (error: Error | null, socket: Socket) => void;

/** `connectTo` as the option `createConnection` of a request. */
export const creating =
  (connection: Connection, timeoutMs: number) =>
  (_options: unknown, created: Created): undefined => {
    connectTo(connection, timeoutMs).then(
      // A request listens for this timeout, but leaves it to its socket's maker to set it.
      (socket) => created(null, socket.setTimeout(timeoutMs)),
      (error: Error) => created(error, undefined as never),
    );
  };

/** Whether something listens on ::1 where nothing listens on the IPv4 address of localhost, the only one that is tried. */
const answersOnIPv6 = async ({ url }: Connection, reason: string): Promise<boolean> => {
  const { protocol, hostname, port } = new URL(url);
  if (hostname !== 'localhost' || !reason.includes('ECONNREFUSED')) return false;
  try {
    (await connectDirectly('::1', Number(port || (protocol === 'wss:' ? 443 : 80)))).destroy();
    return true;
  } catch {
    return false;
  }
};

/** Why no connection could be opened, and what to do. */
export const explainNodeFailure = async (connection: Connection, reason: string, spelled: Spelling): Promise<string> =>
  explainFailure(failureFrom(reason), {
    url: connection.url,
    spelled,
    proxy: proxyOf(connection.url, process.env),
    answersOnIPv6: await answersOnIPv6(connection, reason),
  });
