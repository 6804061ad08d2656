import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from '../../lib/commands/command.ts';
import { echo } from '../../lib/commands/echo.ts';
import type { Response } from '../../lib/jsonrpc/correlation.ts';
import { isObject, parseMessage, serialiseNotification, type ErrorObject } from '../../lib/jsonrpc/messages.ts';
import { subprotocolHeader } from '../../lib/load/headers.ts';
import { flagOf, shownUrl, type Spelling } from '../../lib/load/settings.ts';
import { readMemory } from '../../lib/memory/reading.ts';
import { parsedJson } from '../../lib/text/json.ts';
import { describeOutcome, type Outcome } from '../../lib/session/outcome.ts';
import { classifyRejection, type Dialect, type Stage } from '../../lib/session/rejection.ts';
import type { Script, Session, SessionLimits, SessionResult } from '../../lib/session/session.ts';
import { askHttp, type HttpAnswer } from '../shared/http-client.ts';
import { explainNodeFailure, type Connection } from '../shared/node-connect.ts';
import { runOverNode } from '../shared/node-session.ts';
import { printable } from '../shared/printable.ts';
import { processFigures } from '../shared/process-figures.ts';

/** What /health says, where it says it. */
export interface Health {
  status?: string;
  service?: string;
  version?: string;
  activeSessions?: number;
  maxSessions?: number;
  uptimeSeconds?: number;
}

/** What `connected` says, where it says it. */
export interface Greeting {
  version?: string;
  capabilities?: string[];
  sessionId?: string;
}

/** What became of a simple command. Times are milliseconds from its request. */
export interface CommandFacts {
  command: string;
  outcome: Outcome;
  ackMs?: number;
  firstOutputMs?: number;
  durationMs?: number;
}

/** Its memory now, and where the figures are from. */
export interface MemoryFacts {
  source: string;
  residentBytes: number;
  children?: number;
}

/** Everything that a few questions and one or a few sessions show of a service. Times are milliseconds. */
export interface ServiceFacts {
  /** Without its query, which may hold a secret. */
  url: string;
  health?: Health;
  /** Why /health says nothing. */
  healthProblem?: string;
  /** Whether /healthz answers. */
  healthz: boolean;
  /** From opening the connection. */
  handshakeMs?: number;
  connectedMs?: number;
  greeting?: Greeting;
  command?: CommandFacts;
  /** What answered an unknown method. */
  unknownMethod?: string;
  /** What answered a control without a process. */
  controlWithoutProcess?: string;
  /** Whether there is one; undefined where it cannot be told. */
  allowList?: boolean;
  /** What became of a command that no allow-list has. */
  unlistedCommand?: string;
  /** Undefined where it cannot be told. */
  dialect?: Dialect;
  dialectEvidence: { code: number; reason: string; dialect: Dialect }[];
  memory?: MemoryFacts;
  /** Why there are no figures of its memory. */
  memoryProblem?: string;
  deviations: string[];
  /** Why it cannot run even one command, and what to do. */
  problem?: string;
}

const harmless = echo('ws-stress-doctor');

/** The null utility of POSIX: no allow-list has it, and where there is none it does nothing, with success. */
const unlisted: Command = { name: 'unlisted', class: 'simple', command: ': ws-stress-doctor', proof: { lines: [] } };

const unknownMethod = 'ws_stress_doctor';
const shownCharacters = 200;
const explanationCharacters = 1000;
/** A session that was just closed may count against the limit for so long. */
const releaseMs = 1_000;
const shown = (text: string): string => printable(text, shownCharacters);

/** Gets to know a service: asks over HTTP, then runs a few harmless commands in as few sessions as it takes. */
export const factsOf = async (
  connection: Connection,
  limits: SessionLimits,
  processId: number | undefined,
  spelled: Spelling = flagOf,
): Promise<ServiceFacts> => {
  const facts: ServiceFacts = {
    url: shownUrl(connection.url),
    healthz: false,
    dialectEvidence: [],
    deviations: [],
  };
  const ask = (path: string): Promise<HttpAnswer> => askHttp(connection, path, limits.ackTimeoutMs);
  const [health, healthz, metrics] = await Promise.all([ask('/health'), ask('/healthz'), ask('/metrics')]);
  readHealth(facts, health);
  facts.healthz = healthz.status === 200;
  readMemoryOf(facts, processId, { '/metrics': metrics, '/health': health });
  await readSessions(facts, connection, limits, spelled);
  return facts;
};

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? shown(value) : undefined);
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;

/** An object without its undefined members. */
const defined = <T extends object>(members: { [Name in keyof T]: T[Name] | undefined }): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;

const readHealth = (facts: ServiceFacts, answer: HttpAnswer): void => {
  if (answer.problem !== undefined) {
    facts.healthProblem = shown(answer.problem);
    return;
  }
  const { status, body } = answer;
  const health = status === 200 ? parsedJson(body) : undefined;
  if (!isObject(health)) {
    facts.healthProblem = status === 200 ? 'it answers without a JSON object' : `it answers with status ${status}`;
    return;
  }
  facts.health = defined<Health>({
    status: textOf(health.status),
    service: textOf(health.service),
    version: textOf(health.version),
    activeSessions: numberOf(health.active_sessions),
    maxSessions: numberOf(health.max_sessions),
    uptimeSeconds: numberOf(health.uptime_seconds),
  });
};

const readMemoryOf = (
  facts: ServiceFacts,
  processId: number | undefined,
  sources: Readonly<Record<string, HttpAnswer>>,
): void => {
  if (processId !== undefined) {
    const figures = processFigures(processId);
    if (typeof figures === 'string') facts.memoryProblem = figures;
    else {
      const { residentBytes, children } = figures;
      facts.memory = { source: `process ${processId}`, residentBytes, children };
    }
    return;
  }
  for (const [source, answer] of Object.entries(sources)) {
    const { residentBytes, children } = readMemory(answer.status === 200 ? answer.body : '');
    if (residentBytes !== undefined) {
      facts.memory = defined<MemoryFacts>({ source, residentBytes, children });
      return;
    }
  }
  facts.memoryProblem = `no figures at ${Object.keys(sources).join(' or ')}, and no --target-pid`;
};

/** One question, asked within a session that may end by it. */
interface Part {
  script: (session: Session) => Script;
  /** The session ended within it: by what. */
  ended: (outcome: Outcome) => void;
}

/** What is asked, by the session in which it is asked. */
const partsOf = (facts: ServiceFacts): Part[][] => {
  const deviate = (what: string) => (outcome: Outcome) => {
    facts.deviations.push(shown(`${what} ends the session: ${describeOutcome(outcome)}`));
  };
  const betrays = (stage: Stage, error: ErrorObject): void => {
    const { reason, dialect } = classifyRejection(stage, error);
    if (dialect === undefined) return;
    facts.dialectEvidence.push({ code: error.code, reason, dialect });
    if (facts.dialectEvidence.every((other) => other.dialect === dialect)) facts.dialect = dialect;
    else delete facts.dialect;
  };
  return [
    [
      {
        *script(session) {
          const startedAt = performance.now();
          const execution = yield* session.execute(harmless);
          yield* execution.completes();
          const durationMs = performance.now() - startedAt;
          facts.command = { command: harmless.command, outcome: { kind: 'ok' }, durationMs };
        },
        ended: (outcome) => {
          facts.command = { command: harmless.command, outcome };
          facts.problem = cannotRun(facts.url, outcome);
        },
      },
      {
        *script(session) {
          const { execution, rejection } = yield* session.attempt(unlisted);
          if (execution === undefined) {
            const { code, message, reason } = rejection;
            facts.unlistedCommand = shown(`${code} ${message}`);
            if (reason !== 'not allowed') return;
            facts.allowList = true;
            betrays('execute', rejection);
            return;
          }
          facts.allowList = false;
          facts.unlistedCommand = 'it ran';
          yield* execution.completes();
        },
        ended: (outcome) => {
          facts.unlistedCommand = shown(describeOutcome(outcome));
        },
      },
    ],
    // In a session of their own, for a process that has completed may still be known for a while.
    [
      {
        *script(session) {
          const response = yield* session.request('control', { type: 'RESUME' });
          facts.controlWithoutProcess = answerText(response);
          if (!response.error) {
            facts.deviations.push(
              `a control without a process is answered with a result: ${facts.controlWithoutProcess}; an error is due`,
            );
            return;
          }
          betrays('control', response.error);
        },
        ended: deviate('a control without a process'),
      },
      {
        *script(session) {
          const response = yield* session.request(unknownMethod);
          facts.unknownMethod = answerText(response);
          if (response.error?.code !== -32601) {
            facts.deviations.push(
              `an unknown method is answered with ${facts.unknownMethod}; JSON-RPC 2.0 §5.1 has -32601`,
            );
          }
        },
        ended: deviate('an unknown method'),
      },
      {
        // Last, for from a probe on the session takes whatever comes.
        *script(session) {
          for (const message of yield* session.probe(serialiseNotification(unknownMethod, {}), 0)) {
            if (message.kind !== 'result' && message.kind !== 'error') continue;
            const code = message.kind === 'error' ? `error ${message.error.code}` : 'a result';
            const id = message.id === undefined ? 'without id' : `id ${JSON.stringify(message.id)}`;
            facts.deviations.push(`a notification is answered (${code}, ${id}); JSON-RPC 2.0 §4.1 forbids it`);
          }
        },
        ended: deviate('a notification of an unknown method'),
      },
    ],
  ];
};

const answerText = ({ result, error }: Response): string =>
  shown(error ? `${error.code} ${error.message}` : `result ${JSON.stringify(result)}`);

/** Ends of a session after which another one is worth opening, though not even the command was over. */
const answering = new Set<Outcome['kind']>(['rejected', 'failed-exit', 'output-mismatch', 'protocol-violation']);

const readSessions = async (
  facts: ServiceFacts,
  connection: Connection,
  limits: SessionLimits,
  spelled: Spelling,
): Promise<void> => {
  const groups = partsOf(facts);
  let isFirst = true;
  for (let parts = groups.shift(); parts !== undefined; parts = groups.shift()) {
    let asked = await ask(parts, connection, limits);
    if (!isFirst && asked.begun === 0 && asked.result.outcome.kind === 'rejected') {
      await sleep(releaseMs);
      asked = await ask(parts, connection, limits);
    }
    const { result, begun, done } = asked;
    const { outcome } = result;
    if (isFirst) {
      readFirst(facts, asked);
      if (asked.subprotocol !== undefined) readSubprotocol(facts, connection, asked.subprotocol);
    }
    if (begun === 0) {
      if (isFirst) facts.problem = await cannotOpen(connection, result, spelled);
      else facts.deviations.push(shown(`a further session could not be had: ${describeOutcome(outcome)}`));
      return;
    }
    if (done === parts.length) {
      if (outcome.kind !== 'ok') {
        facts.deviations.push(shown(`the session does not close in order: ${describeOutcome(outcome)}`));
      }
    } else {
      parts[done]?.ended(outcome);
      if (isFirst && done === 0 && !answering.has(outcome.kind)) return;
      // What was not asked for the session's end is asked in another one.
      if (begun < parts.length) groups.unshift(parts.slice(begun));
    }
    isFirst = false;
  }
};

interface Asked {
  result: SessionResult;
  /** How many of the parts were begun, and how many were done. */
  begun: number;
  done: number;
  /** The one that the service chose. */
  subprotocol: string | undefined;
  /** The message `connected`. */
  greeting: string | undefined;
}

const ask = async (parts: readonly Part[], connection: Connection, limits: SessionLimits): Promise<Asked> => {
  let [begun, done] = [0, 0];
  let subprotocol: string | undefined;
  const script = function* (session: Session): Script {
    for (const part of parts) {
      begun += 1;
      yield* part.script(session);
      done += 1;
    }
  };
  let greeting: string | undefined;
  const result = await runOverNode(connection, limits, script, {
    onHandshake: (headers) => {
      subprotocol = headers['sec-websocket-protocol'];
    },
    onGreeting: (text) => {
      greeting = text;
    },
  });
  return { result, begun, done, subprotocol, greeting };
};

const readSubprotocol = (facts: ServiceFacts, { headers }: Connection, chosen: string): void => {
  const requested = headers[subprotocolHeader]?.split(', ') ?? [];
  if (requested.includes(chosen)) return;
  const expected = requested.length === 0 ? 'none, for none was requested' : `one of ${requested.join(', ')}`;
  facts.deviations.push(
    shown(
      `the handshake chooses a subprotocol that was not requested: expected ${expected}, received ${chosen}; by RFC 6455 §4.1 other clients refuse the connection`,
    ),
  );
};

const readFirst = (facts: ServiceFacts, { result: { openedMs, connectedMs, commands }, greeting }: Asked): void => {
  Object.assign(facts, defined({ handshakeMs: openedMs, connectedMs }));
  const message = greeting === undefined ? undefined : parseMessage(greeting);
  if (message?.kind === 'notification') facts.greeting = greetingOf(message.params);
  const [command] = commands;
  if (facts.command !== undefined && command !== undefined) {
    Object.assign(facts.command, defined({ ackMs: command.ackMs, firstOutputMs: command.firstOutputMs }));
  }
};

const greetingOf = ({ version, capabilities, session_id: sessionId }: Record<string, unknown>): Greeting =>
  defined<Greeting>({
    version: textOf(version),
    capabilities: Array.isArray(capabilities)
      ? capabilities.map((each) => shown(String(each))).slice(0, 20)
      : undefined,
    sessionId: textOf(sessionId),
  });

/** Why no session could be opened, and what to do. */
const cannotOpen = async (
  connection: Connection,
  { outcome, openedMs }: SessionResult,
  spelled: Spelling,
): Promise<string> => {
  const reason = outcome.kind === 'connect-failed' ? outcome.reason : describeOutcome(outcome);
  if (openedMs === undefined)
    return printable(await explainNodeFailure(connection, reason, spelled), explanationCharacters);
  const advice =
    outcome.kind === 'rejected'
      ? 'Wait until other sessions have ended, or raise its limit.'
      : 'Check that this path is the endpoint of a service that runs commands by JSON-RPC 2.0.';
  return `The service at ${shownUrl(connection.url)} opens no session: expected the notification connected as the first message; ${shown(reason)}. ${advice}`;
};

/** Why a simple command did not run, and what to do. */
const cannotRun = (url: string, outcome: Outcome): string => {
  const what = `expected \`${harmless.command}\` to print its line and exit with 0; ${shown(describeOutcome(outcome))}`;
  return `The service at ${url} does not run a command: ${what}. ${commandAdvice(outcome)}`;
};

const commandAdvice = (outcome: Outcome): string => {
  if (outcome.kind === 'rejected' && outcome.reason === 'not allowed') return 'Add echo to its allow-list.';
  if (outcome.kind === 'timeout') return "See the service's log, or give it longer: --ack-timeout, --message-timeout.";
  return 'docs/reading-a-failure.md says what that means and where to look.';
};
