import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { WebSocket, type ClientOptions } from 'ws';
import type { TargetOptions } from '../reference-target/options.ts';
import { startTarget, type Target } from '../reference-target/server.ts';

/** The longest that a test waits for something, in milliseconds. */
const patienceMs = 15_000;

/** A received message; `text` is the message itself. */
export interface Received {
  text: string;
  isBinary: boolean;
  /** The parsed message; undefined if it is not a JSON object. */
  body: Body | undefined;
}

/** The members that tests look at. */
export interface Body {
  jsonrpc?: string;
  id?: unknown;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data: unknown };
}

export interface Closed {
  code: number;
  reason: string;
}

/** Starts a target on a free port; it closes after the test. */
export const targetFor = async (t: TestContext, options: Partial<TargetOptions> = {}): Promise<Target> => {
  const target = await startTarget({ port: 0, shutdownMs: 300, ...options });
  t.after(() => target.close());
  return target;
};

/** Connects to a target; the connection closes after the test. */
export const connect = async (t: TestContext, target: Target, options: ClientOptions = {}): Promise<Client> => {
  const client = new Client(target.url, options);
  t.after(() => client.socket.terminate());
  await within('the opening handshake', once(client.socket, 'open'));
  return client;
};

/** Fails if `promise` takes too long. */
export const within = async <T>(what: string, promise: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`expected within ${patienceMs} ms: ${what}`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** Waits until `isSo` holds. */
export const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`expected within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** Whether a process is alive; a zombie is not. */
export const isAlive = async (pid: number): Promise<boolean> => {
  const { readFile } = await import('node:fs/promises');
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  return stat === undefined || !stat.includes(') Z ');
};

/** A client that keeps everything it receives. */
export class Client {
  readonly socket: WebSocket;
  readonly received: Received[] = [];
  readonly closed: Promise<Closed>;
  private lastId = 0;

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.on('message', (data, isBinary) => {
      const text = (data as Buffer).toString('utf8');
      this.received.push({ text, isBinary, body: bodyOf(text) });
      this.socket.emit('received');
    });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.socket.emit('received');
      });
    });
    // Each test checks how its connection ends, which shows an error before that.
    this.socket.on('error', () => {});
  }

  get bodies(): Body[] {
    return this.received.flatMap(({ body }) => body ?? []);
  }

  send(method: string, params?: object, id: unknown = (this.lastId += 1)): unknown {
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', method, params, id }));
    return id;
  }

  /** The first message, received or to come, for which `holds` is true. */
  async first(what: string, holds: (body: Body) => boolean): Promise<Body> {
    return within(what, this.waitFor(what, holds));
  }

  /** The answer to a request. */
  async answer(id: unknown): Promise<Body> {
    return this.first(`the answer to ${JSON.stringify(id)}`, (body) => body.id === id && body.method === undefined);
  }

  /** The first notification of a method. */
  async notification(method: string): Promise<Body> {
    return this.first(method, (body) => body.method === method);
  }

  /** Sends a request and waits for its answer. */
  async ask(method: string, params?: object): Promise<Body> {
    return this.answer(this.send(method, params));
  }

  /** Starts a command; returns its process id. */
  async start(command: string): Promise<number> {
    await this.notification('connected');
    const { result, error } = await this.ask('execute', { command });
    if (result === undefined) throw new Error(`"${command}" was not started: ${JSON.stringify(error)}`);
    return Number(result['pid']);
  }

  /** Runs a command to its end. */
  async run(command: string): Promise<Record<string, unknown>> {
    await this.start(command);
    const { params } = await this.notification('process.completed');
    return params ?? {};
  }

  /** The data of the output received so far, one string a message. */
  output(stream = 'stdout'): string[] {
    return this.bodies
      .filter(({ method, params }) => method === 'process.output' && params?.['type'] === stream)
      .map(({ params }) => String(params?.['data']));
  }

  /** Methods of the notifications received so far, without output. */
  methods(): string[] {
    return this.bodies.flatMap(({ method }) => (method === undefined || method === 'process.output' ? [] : method));
  }

  private async waitFor(what: string, holds: (body: Body) => boolean): Promise<Body> {
    for (let seen = 0; ;) {
      for (; seen < this.received.length; seen += 1) {
        const body = this.received[seen]?.body;
        if (body !== undefined && holds(body)) return body;
      }
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`the connection ended before ${what}`);
      await once(this.socket, 'received');
    }
  }
}

const bodyOf = (text: string): Body | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
};
