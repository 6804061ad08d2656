import { visibleJson } from '../../lib/text/visible.ts';
import { parseSettings } from '../../lib/load/settings.ts';
import { describeOutcome } from '../../lib/session/outcome.ts';
import { hide, hideInOutcome } from '../../lib/results/redact.ts';
import { secretsOf } from '../../lib/results/secrets.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';
import { processIdProblems } from '../shared/process-figures.ts';
import { readinessOf, type Readiness } from './readiness.ts';
import { runProblems } from '../run/run-inputs.ts';
import { factsOf, type Greeting, type Health, type ServiceFacts } from './service-facts.ts';
import { asJson, certificates, certificatesFile } from '../shared/common-options.ts';
import { declareCommand, type SettingOption } from '../shared/command.ts';
import { connectionOf } from '../shared/node-connect.ts';
import { allScenarios } from '../shared/scenarios.ts';
import { settingsNamed, spellingOf } from '../shared/settings-options.ts';

/** Long enough for a service that is slow at its first command, short enough to be waited for. */
const waitMs = 10_000;

/** The settings that concern a single session. */
const settings = (): SettingOption[] =>
  settingsNamed(
    [
      'STRESS_URL',
      'STRESS_TOKEN',
      'STRESS_HEADERS',
      'STRESS_SUBPROTOCOL',
      'STRESS_INSECURE',
      'STRESS_ACK_TIMEOUT',
      'STRESS_MESSAGE_TIMEOUT',
    ],
    (name) => (name.endsWith('_TIMEOUT') ? { default: '10s' } : {}),
  );

export const doctorCommand = declareCommand({
  description: `Opens a session or a few, runs a harmless command and asks a few questions. Then it shows what service this is and which scenarios it can run.

Exit code: 0 the service runs commands, 1 no service answers or it runs none, 2 wrong options.`,
  options: {
    ca: certificates,
    'target-pid': {
      takes: 'pid',
      description: "Process id of the service on this machine, to measure the service's memory.",
    },
    json: asJson,
  },
  settings,
  notDone: 'Nothing was asked',
  examples: ['ws-stress doctor --url ws://localhost:8003/ws/mcp'],
  act: async ({ values, asked, problems: typed, refuse }) => {
    const env = { ...process.env, ...asked };
    const ca = certificatesFile(values.ca);
    const pid = values['target-pid'];
    const problems = [
      ...typed,
      ...(pid === undefined || pid === '' ? [] : processIdProblems(pid)),
      ...runProblems(env, undefined, ca, spellingOf(asked)),
    ];
    if (problems.length > 0) return refuse(problems);

    const { settings, warnings } = parseSettings(env);
    for (const warning of warnings) console.error(`ws-stress: ${warning}`);
    const limits = {
      ackTimeoutMs: env.STRESS_ACK_TIMEOUT ? settings.ackTimeoutMs : waitMs,
      messageTimeoutMs: env.STRESS_MESSAGE_TIMEOUT ? settings.messageTimeoutMs : waitMs,
      sessionTimeoutMs: settings.sessionTimeoutMs,
    };
    const processId = pid === undefined ? undefined : Number(pid);
    const found = await factsOf(connectionOf(settings, ca), limits, processId, spellingOf(asked));
    const facts = withoutSecrets(found, secretsOf(settings, process.env));
    const scenarios = readinessOf(facts, allScenarios());
    if (values.json === true) {
      console.log(visibleJson({ type: 'doctor', version: 1, ...facts, scenarios }, 2));
    } else {
      if (facts.handshakeMs !== undefined) console.log(reportText(facts, scenarios));
      if (facts.problem !== undefined) console.error(facts.problem);
    }
    return facts.problem === undefined ? 0 : 1;
  },
});

/** The texts of these members, or of the list of texts that one is, without secrets; whatever else there is stays. */
const hideIn = <T extends object>(members: T, names: readonly (keyof T)[], secrets: readonly string[]): T => {
  const shown = { ...members };
  for (const name of names) {
    const value: unknown = members[name];
    const hidden = Array.isArray(value)
      ? value.map((each: unknown) => (typeof each === 'string' ? hide(each, secrets) : each))
      : typeof value === 'string'
        ? hide(value, secrets)
        : value;
    if (value !== undefined) shown[name] = hidden as T[typeof name];
  }
  return shown;
};

/** What the service said may repeat what it received. */
const withoutSecrets = (facts: ServiceFacts, secrets: readonly string[]): ServiceFacts => {
  const { health, greeting, command } = facts;
  return {
    ...hideIn(
      facts,
      ['healthProblem', 'unknownMethod', 'controlWithoutProcess', 'unlistedCommand', 'deviations', 'problem'],
      secrets,
    ),
    ...(health && { health: hideIn(health, ['status', 'service', 'version'], secrets) }),
    ...(greeting && { greeting: hideIn(greeting, ['version', 'capabilities', 'sessionId'], secrets) }),
    ...(command && { command: { ...command, outcome: hideInOutcome(command.outcome, secrets) } }),
  };
};

const labelWidth = 16;

const line = (label: string, ...texts: (string | undefined)[]): string[] => {
  const [first = 'not known', ...others] = texts.filter((text) => text !== undefined);
  return [`  ${label.padEnd(labelWidth)}${first}`, ...others.map((text) => `  ${' '.repeat(labelWidth)}${text}`)];
};

const milliseconds = (ms: number | undefined): string =>
  ms === undefined ? 'never' : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const uptime = (seconds: number): string => {
  const [amount, unit] =
    seconds < 120 ? [seconds, 's'] : seconds < 7200 ? [seconds / 60, 'min'] : [seconds / 3600, 'h'];
  return `${Math.round(amount)} ${unit}`;
};

const listed = (texts: readonly (string | false | undefined)[]): string => texts.filter(Boolean).join(', ');

const healthText = ({ health, healthProblem, healthz }: ServiceFacts): string => {
  const beside = healthz ? '/healthz answers too' : 'no /healthz';
  if (health === undefined) return `unknown: ${healthProblem ?? 'no answer'}${healthz ? '; /healthz answers' : ''}`;
  const { service, version, status, activeSessions, uptimeSeconds }: Health = health;
  return listed([
    [service, version].filter(Boolean).join(' ') || 'it answers',
    status,
    activeSessions !== undefined && `active sessions ${activeSessions}`,
    uptimeSeconds !== undefined && `up ${uptime(uptimeSeconds)}`,
    beside,
  ]);
};

const greetingText = ({ version, capabilities, sessionId }: Greeting): string =>
  listed([
    version === undefined ? 'no version' : `version ${version}`,
    capabilities === undefined ? 'no capabilities' : `capabilities ${capabilities.join(' ')}`,
    sessionId === undefined ? 'no session id' : `session ${sessionId}`,
  ]);

const commandText = ({ command }: ServiceFacts): string => {
  if (command === undefined) return 'not tried';
  const { outcome, ackMs, firstOutputMs, durationMs } = command;
  if (outcome.kind !== 'ok') return printable(describeOutcome(outcome), outcomeCharacters);
  const times = `acknowledged after ${milliseconds(ackMs)}, first output ${milliseconds(firstOutputMs)}, completed ${milliseconds(durationMs)}`;
  return `\`${command.command}\` ran: ${times}`;
};

const allowListText = ({ allowList, unlistedCommand }: ServiceFacts): string => {
  const shown = unlistedCommand === undefined ? 'it was not tried' : unlistedCommand;
  if (allowList === undefined) return `cannot tell: ${shown}`;
  return allowList ? `in force: ${shown}` : `none: a command that no list has was accepted (${shown})`;
};

const memoryText = ({ memory, memoryProblem }: ServiceFacts): string => {
  if (memory === undefined) return `unknown: ${memoryProblem}`;
  const children = memory.children === undefined ? '' : `, child processes ${memory.children}`;
  return `${mebibytes(memory.residentBytes)}${children}, from ${memory.source}`;
};

const dialectText = ({ dialect, dialectEvidence }: ServiceFacts): string => {
  if (dialectEvidence.length === 0) return 'cannot tell: no error came whose code the dialects have apart';
  const evidence = dialectEvidence
    .map(({ code, reason, dialect }) => `${code} for "${reason}" (${dialect})`)
    .join(', ');
  return dialect === undefined ? `cannot tell: ${evidence} contradict each other` : `${dialect}: ${evidence}`;
};

const reportText = (facts: ServiceFacts, scenarios: readonly Readiness[]): string => {
  const { health, greeting, deviations } = facts;
  return [
    '',
    `  ${facts.url}`,
    '',
    ...line('health', healthText(facts)),
    ...line('session limit', String(health?.maxSessions ?? 'unknown: /health does not tell it')),
    ...line('handshake', `${milliseconds(facts.handshakeMs)}, connected after ${milliseconds(facts.connectedMs)}`),
    ...line('connected', greeting && greetingText(greeting)),
    ...line('command', commandText(facts)),
    ...line('control', facts.controlWithoutProcess && `without a process: ${facts.controlWithoutProcess}`),
    ...line('unknown method', facts.unknownMethod),
    ...line('allow-list', allowListText(facts)),
    ...line('dialect', dialectText(facts)),
    ...line('memory', memoryText(facts)),
    ...line(
      'deviations',
      ...(deviations.length > 0 ? deviations : ['none seen; the scenario conformance looks closer']),
    ),
    '',
    '  It can be put through',
    ...scenarios.map(
      ({ scenario, ready, why }) => `    ${scenario.padEnd(20)}${ready}${why === undefined ? '' : `: ${why}`}`,
    ),
    '',
  ].join('\n');
};
