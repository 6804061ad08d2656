import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { otherUser, refuseHost, refuseOrigin, refuseToken, type Refusal } from './access.ts';
import { dialects } from './dialect.ts';
import { codeOf } from '../lib/text/errors.ts';
import { warmUpSessions } from './fault-table.ts';
import { FaultSchedule, type AppliedFaults, type FaultName } from './faults.ts';
import { newCounters, renderMetrics, type TargetStats } from './metrics.ts';
import { defaultOptions, isLoopback, optionProblems, TargetOptionsError, type TargetOptions } from './options.ts';
import { PeerUsers, showsPeerUsers } from './peer-user.ts';
import { ProcessTable } from './process.ts';
import { Session, type SessionContext } from './session.ts';

/** A reference target that is listening. */
export interface Target {
  /** URL of the WebSocket endpoint, such as ws://127.0.0.1:8003/ws/mcp. */
  readonly url: string;
  /** Base URL of /health, /healthz and /metrics, such as http://127.0.0.1:8003. */
  readonly httpUrl: string;
  readonly port: number;
  stats(): TargetStats;
  /** Closes all sessions with 1001, ends their processes and stops listening, within the shutdown time. */
  close(): Promise<void>;
}

const endpoint = '/ws/mcp';
/** Time for a client to answer a close frame before the target drops the connection. */
const closeTimeoutMs = 10_000;
/** Time for killed processes and dropped connections to disappear. */
const afterShutdownMs = 2_000;
/** Time for a client to send a request's headers. */
const headersTimeoutMs = 10_000;
/** Time for a client to read a refusal and to close its side. */
const refusalTimeoutMs = 500;
/** Room for HTTP requests and refused clients, in addition to one opening handshake for each session. */
const spareConnections = 1_000;

/** Starts a target; throws a TargetOptionsError if options are invalid, or an Error if it cannot listen. */
export const startTarget = async (options: Partial<TargetOptions>): Promise<Target> => {
  const complete: TargetOptions = { ...defaultOptions, ...options };
  const problems = optionProblems(complete);
  if (problems.length > 0) throw new TargetOptionsError(problems);
  const target = new ListeningTarget(complete);
  await target.listen();
  return target;
};

class ListeningTarget implements Target {
  private readonly options: TargetOptions;
  private readonly http: Server;
  private readonly webSockets: WebSocketServer;
  /** For sessions with a fault that never answer a WebSocket ping. */
  private readonly pongless: WebSocketServer;
  private readonly counters = newCounters();
  private readonly processes: ProcessTable;
  private readonly faults: FaultSchedule;
  private readonly context: SessionContext;
  private readonly connections = new Set<Socket>();
  /** Connections that are not a session, oldest first. */
  private readonly waiting = new Set<Socket>();
  private readonly sessions = new Map<Session, Socket>();
  /** Refused sessions whose connection is closing: they take no slot but must end with the target. */
  private readonly refused = new Set<Session>();
  /** Slots and memory that faults leak. */
  private leakedSlots = 0;
  private leaked: Buffer[] = [];
  private readonly startedAt = performance.now();
  /** Without a token, decides by the user at the other end. */
  private readonly peerUsers: PeerUsers | undefined;
  private readonly killAll = (): void => this.processes.close();
  private closed: Promise<void> | undefined;

  constructor(options: TargetOptions) {
    this.options = options;
    this.faults = new FaultSchedule(options.faults);
    const isOpen = options.token !== undefined || options.anyUser || !isLoopback(options.host);
    this.peerUsers = isOpen || !showsPeerUsers() ? undefined : new PeerUsers();
    this.processes = new ProcessTable(options.maxChildren);
    this.context = {
      options,
      dialect: dialects[options.dialect],
      counters: this.counters,
      processes: this.processes,
      allowed: options.allow === undefined ? undefined : new Set(options.allow),
      firstExecuteFaults: (current) => this.faults.nextFirstExecute(current),
    };
    const webSocketOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes,
      closeTimeout: closeTimeoutMs,
    };
    this.webSockets = new WebSocketServer(webSocketOptions);
    this.pongless = new WebSocketServer({ ...webSocketOptions, autoPong: false });
    this.http = createServer({
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs,
      connectionsCheckingInterval: 1_000,
    });
    this.http.on('connection', (socket: Socket) => this.admit(socket));
    this.http.on('request', (request, response) => this.answer(request, response));
    this.http.on('upgrade', (request, stream, head) => this.upgrade(request, stream, head));
  }

  get port(): number {
    return this.address.port;
  }

  get url(): string {
    return `ws://${this.authority}${endpoint}`;
  }

  get httpUrl(): string {
    return `http://${this.authority}`;
  }

  private get activeSessions(): number {
    return this.sessions.size + this.leakedSlots;
  }

  private get authority(): string {
    const { address, family, port } = this.address;
    return `${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  private get address(): AddressInfo {
    const address = this.http.address();
    if (address === null || typeof address === 'string') throw new Error('The target is not listening');
    return address;
  }

  async listen(): Promise<void> {
    const { host, port } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', (error) => reject(listenError(error, host, port)));
      this.http.listen({ host, port }, resolve);
    });
    process.on('exit', this.killAll);
  }

  stats(): TargetStats {
    let bufferedBytes = 0;
    for (const stream of this.sessions.values()) bufferedBytes += stream.writableLength;
    return {
      ...this.counters,
      activeSessions: this.activeSessions,
      children: this.processes.size,
      bufferedBytes,
    };
  }

  close(): Promise<void> {
    this.closed ??= this.shutDown();
    return this.closed;
  }

  private async shutDown(): Promise<void> {
    const { shutdownMs, killGraceMs } = this.options;
    const closed = new Promise<void>((resolve) => {
      this.http.close(() => resolve());
    });
    const sessions = [...this.sessions.keys(), ...this.refused];
    for (const session of sessions) session.close(1001, 'The target is shutting down');
    const dropConnections = (): void => {
      for (const socket of this.connections) socket.destroy();
    };
    const timers = [setTimeout(dropConnections, shutdownMs)];
    // Without sessions there is nothing to wait for; tcp-silent may have left handshakes unanswered.
    if (sessions.length === 0) dropConnections();
    this.http.closeIdleConnections();
    await Promise.race([
      Promise.all([closed, this.processes.endAll(Math.min(killGraceMs, shutdownMs))]),
      // SIGKILL does not end a process that hangs in the kernel.
      new Promise((resolve) => timers.push(setTimeout(resolve, shutdownMs + afterShutdownMs))),
    ]);
    for (const timer of timers) clearTimeout(timer);
    this.processes.close();
    this.leaked = [];
    process.off('exit', this.killAll);
  }

  /** Drops the connection that has waited longest if too many wait, so that no client can keep others out. */
  private admit(socket: Socket): void {
    this.connections.add(socket);
    this.waiting.add(socket);
    socket.once('close', () => {
      this.connections.delete(socket);
      this.waiting.delete(socket);
    });
    const [oldest] = this.waiting;
    if (this.waiting.size > this.options.maxSessions + spareConnections) oldest?.destroy();
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.faults.hasForAll('tcp-silent')) return;
    const path = pathOf(request);
    const refusal = refuseHost(request, this.options);
    if (refusal !== undefined) return reply(response, refusal.status, 'text/plain', `${refusal.reason}\n`);
    if (path === endpoint) {
      response.setHeader('Upgrade', 'websocket');
      return reply(
        response,
        426,
        'text/plain',
        'This is a WebSocket endpoint: connect to it with a WebSocket client\n',
      );
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return reply(response, 405, 'text/plain', 'Expected GET\n');
    }
    if (path === '/health') return reply(response, 200, 'application/json', JSON.stringify(this.health()));
    if (path === '/healthz') return reply(response, 200, 'application/json', '{"status":"ok"}');
    if (path === '/metrics') {
      return this.answerMetrics(request, response);
    }
    return reply(response, 404, 'text/plain', `Nothing here: expected ${endpoint}, /health, /healthz or /metrics\n`);
  }

  private answerMetrics(request: IncomingMessage, response: ServerResponse): void {
    const refusal = refuseToken(request, this.options) ?? this.refuseUser(request.socket);
    if (refusal !== undefined) return reply(response, refusal.status, 'text/plain', `${refusal.reason}\n`);
    this.processes.look();
    reply(response, 200, 'text/plain; version=0.0.4; charset=utf-8', renderMetrics(this.stats()));
  }

  private refuseUser(socket: Socket): Refusal | undefined {
    if (this.peerUsers === undefined || this.peerUsers.isOwn(socket, this.waiting)) return undefined;
    return otherUser;
  }

  private health(): object {
    return {
      status: 'healthy',
      service: 'ws_stress_reference_target',
      version: '1.0.0',
      active_sessions: this.activeSessions + (this.faults.hasNow('health-miscounts') ? 1 : 0),
      max_sessions: this.options.maxSessions,
      uptime_seconds: (performance.now() - this.startedAt) / 1000,
    };
  }

  private upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', () => {
      this.counters.connectionErrorsTotal += 1;
    });
    if (pathOf(request) !== endpoint) {
      return refuseUpgrade(stream, { status: 404, reason: `Nothing here: the WebSocket endpoint is ${endpoint}` });
    }
    this.counters.handshakesTotal += 1;
    const faults = this.faults.nextHandshake();
    if (faults?.has('tcp-silent') === true) return;
    const refusal =
      refuseHost(request, this.options) ??
      refuseOrigin(request, this.options) ??
      refuseToken(request, this.options) ??
      (faults?.has('handshake-403') === true ? { status: 403, reason: 'Refused (fault handshake-403)' } : undefined);
    if (refusal !== undefined) return refuseUpgrade(stream, refusal);
    // Without TLS it is the TCP socket itself; a session needs more of it than a Duplex has.
    if (!(stream instanceof Socket)) {
      stream.destroy();
      return;
    }
    const isOther = this.refuseUser(stream);
    if (isOther === undefined) this.accept(request, stream, head, faults);
    else refuseUpgrade(stream, isOther);
  }

  private accept(request: IncomingMessage, stream: Socket, head: Buffer, faults: AppliedFaults | undefined): void {
    const has = (fault: FaultName): boolean => faults?.has(fault) === true;
    const limit = this.options.maxSessions + (has('limit-off-by-one') ? 1 : 0);
    const isOver = this.activeSessions >= limit || has('limit');
    const isMute = has('no-pong') || (isOver && has('limit-hang'));
    (isMute ? this.pongless : this.webSockets).handleUpgrade(request, stream, head, (socket) => {
      socket.on('error', () => {
        this.counters.connectionErrorsTotal += 1;
      });
      const session = new Session(socket, stream, this.context, faults);
      if (isOver) {
        this.refused.add(session);
        socket.once('close', () => this.refused.delete(session));
        session.refuse();
        if (has('slot-leak-refused')) this.leakedSlots += 1;
        if (has('limit-disturbs')) this.closeOldest();
        if (has('limit-kills')) for (const each of this.sessions.keys()) each.endProcesses();
        return;
      }
      this.waiting.delete(stream);
      this.counters.sessionsTotal += 1;
      this.sessions.set(session, stream);
      socket.once('close', (code) => {
        this.sessions.delete(session);
        // RFC 6455 §7.1.5: 1006 means that the connection ended without a close frame.
        if (has(code === 1006 ? 'slot-leak-vanished' : 'slot-leak-closed')) this.leakedSlots += 1;
      });
      this.leak(faults);
      session.start();
    });
  }

  private closeOldest(): void {
    const oldest = [...this.sessions.keys()].find((session) => session.isOpen);
    oldest?.close(1008, 'Session limit exceeded');
  }

  private leak(faults: AppliedFaults | undefined): void {
    const isWarmingUp = this.counters.sessionsTotal <= warmUpSessions;
    for (const bytes of [faults?.number('leak'), isWarmingUp ? faults?.number('warm-up') : undefined]) {
      // Filled, because memory that was never written to is not resident.
      if (bytes !== undefined) this.leaked.push(Buffer.alloc(bytes, 1));
    }
  }
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').replace(/\?.*$/s, '');

const reply = (response: ServerResponse, status: number, type: string, body: string): void => {
  response.statusCode = status;
  response.setHeader('Content-Type', type);
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  response.setHeader('Cache-Control', 'no-store');
  response.end(body);
};

const refuseUpgrade = (stream: Duplex, { status, reason }: Refusal): void => {
  const body = `${reason}\n`;
  // To close at once could cost the client the answer (RFC 9112 §9.6); to wait for the client could take for ever.
  const timer = setTimeout(() => stream.destroy(), refusalTimeoutMs);
  stream.once('close', () => clearTimeout(timer)).resume();
  stream.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Connection: close',
      ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
      'Content-Type: text/plain; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
};

const listenError = (error: Error, host: string, port: number): Error => {
  const hints: Record<string, string> = {
    EADDRINUSE: 'another program listens there; choose another --port, or --port 0 for any free one',
    EACCES: 'that port is reserved for the administrator; choose a --port over 1023',
    EADDRNOTAVAIL: 'this machine has no such address; choose another --host',
    ENOTFOUND: 'there is no such host; choose another --host',
  };
  const hint = hints[codeOf(error) ?? ''] ?? error.message;
  return new Error(`Cannot listen on ${host}:${port}: ${hint}`, { cause: error });
};
