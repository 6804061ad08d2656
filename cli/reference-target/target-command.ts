import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { folded } from '../../lib/text/fold.ts';
import { interpretersIn } from '../../reference-target/allow-list.ts';
import { isDialectName } from '../../reference-target/dialect.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { declareCommand, type OptionDeclaration, type Options, type Values } from '../shared/command.ts';
import { wrapped } from '../shared/help-entry.ts';
import { faultDescriptions } from '../../reference-target/faults.ts';
import {
  defaultOptions,
  isLoopback,
  optionProblems,
  optionTable,
  TargetOptionsError,
  type OptionRow,
  type TargetOptions,
} from '../../reference-target/options.ts';
import { showsPeerUsers } from '../../reference-target/peer-user.ts';
import { startTarget } from '../../reference-target/server.ts';

const tokenVariable = 'WS_STRESS_TARGET_TOKEN';
const badUsage = 2;
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const byteUnits: Readonly<Record<string, number>> = { '': 1, KiB: 1_024, MiB: 1_048_576 };

const readArguments = (given: Values<Options>): { options: TargetOptions; problems: string[] } => {
  const problems: string[] = [];
  const options: TargetOptions = { ...defaultOptions, token: process.env[tokenVariable] || undefined };
  for (const row of optionTable) {
    const values = given[row.name];
    if (row.type === 'flag') options[row.key] = values === true;
    if (!Array.isArray(values)) continue;
    const problem = setOption(options, row, values as readonly string[]);
    if (problem !== undefined) problems.push(`--${row.name}: ${problem}`);
  }
  problems.push(...optionProblems(options));
  return { options, problems };
};

/** Puts what was given on the command line into the options; the problem if it cannot be read. */
const setOption = (options: TargetOptions, row: OptionRow, values: readonly string[]): string | undefined => {
  if (row.type === 'list') {
    const items = values.flatMap((value) => (row.separator === undefined ? [value] : value.split(row.separator)));
    options[row.key] = items.map((item) => item.trim()).filter((item) => item !== '');
    return undefined;
  }
  const value = values[0] ?? '';
  if (values.length > 1) return `expected one value, received ${values.length}`;
  if (row.type === 'bytes') {
    return setQuantity(options, row.key, value, byteUnits, 'a size such as 65536, 64KiB or 1MiB');
  }
  if (row.type === 'duration') {
    return setQuantity(options, row.key, value, durationUnits, 'a duration such as 500ms, 30s, 5m or 1h');
  }
  if (row.type === 'flag') return undefined;
  if (row.type === 'choice') {
    if (!isDialectName(value)) return `expected one of ${row.choices.join(', ')}, received ${JSON.stringify(value)}`;
    options[row.key] = value;
  } else if (row.type === 'integer') {
    if (!/^[0-9]+$/.test(value)) {
      return `expected a whole number such as ${defaultOptions[row.key]}, received ${JSON.stringify(value)}`;
    }
    options[row.key] = Number(value);
  } else {
    options[row.key] = value;
  }
  return undefined;
};

const setQuantity = (
  options: TargetOptions,
  key: Extract<OptionRow, { type: 'bytes' | 'duration' }>['key'],
  text: string,
  units: Readonly<Record<string, number>>,
  expected: string,
): string | undefined => {
  const [, number, unit = ''] = /^([0-9]+)([A-Za-z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (number === undefined || factor === undefined) return `expected ${expected}, received ${JSON.stringify(text)}`;
  options[key] = Number(number) * factor;
  return undefined;
};

/** Whether nothing else keeps other users of this machine from running commands as this one. */
const needsToken = ({ token, anyUser }: TargetOptions): boolean => token === undefined && !anyUser && !showsPeerUsers();

const tokenText = (token: string, url: string): string =>
  wrapped(
    `This system does not show whose a connection is, so clients need this token, made for this run (${tokenVariable} sets your own, --any-user lets every user of this machine in):`,
  ) + `\n  STRESS_TOKEN=${token} ws-stress run single --url ${url}\n`;

/** Waits for the first SIGINT, SIGTERM or SIGHUP; the second one ends the process at once. */
const stopSignal = (): { wait: () => Promise<void>; forget: () => void } => {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const stopping = new AbortController();
  const stop = (): void => {
    // The exit handlers kill the remaining processes.
    if (stopping.signal.aborted) process.exit(1);
    stopping.abort();
  };
  for (const signal of signals) process.on(signal, stop);
  return {
    wait: async () => {
      if (!stopping.signal.aborted) await once(stopping.signal, 'abort');
    },
    forget: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
};

const warn = (options: TargetOptions): void => {
  const interpreters = interpretersIn(options.allow ?? []);
  if (interpreters.length > 0) {
    process.stderr.write(
      `warning: --allow includes ${interpreters.join(', ')}, which can start any other program or write any file\n`,
    );
  }
  if (!isLoopback(options.host)) {
    process.stderr.write('warning: the token and all output cross the network unencrypted; put TLS in front\n');
  }
  if (options.faults.length > 0) process.stderr.write(`active faults: ${options.faults.join(', ')}\n`);
};

const defaultText = (row: Exclude<OptionRow, { type: 'flag' }>): string => {
  if (row.key === 'token') return ` (default: $${tokenVariable})`;
  if (row.type === 'list') return ` (default: ${row.key === 'allow' ? 'every command may run' : 'none'})`;
  if (row.type === 'duration') return ` (default: ${inUnit(defaultOptions[row.key], durationUnits)})`;
  if (row.type === 'bytes') return ` (default: ${inUnit(defaultOptions[row.key], byteUnits)})`;
  return ` (default: ${defaultOptions[row.key]})`;
};

/** A quantity in the largest unit that divides it. */
const inUnit = (quantity: number, units: Readonly<Record<string, number>>): string => {
  const [unit, factor] = Object.entries(units).findLast(([, factor]) => quantity % factor === 0)!;
  return `${quantity / factor}${unit}`;
};

/** The option of a row; `unit` is what it takes. */
const optionOf = (row: OptionRow): OptionDeclaration => {
  if (row.type === 'flag') return { description: row.description };
  return {
    takes: row.unit,
    // Several values are one problem more, or a list.
    repeatable: true,
    description: `${row.description}${defaultText(row)}`,
    ...(row.type === 'list' && { mayBeEmpty: true }),
  };
};

export const targetCommand = declareCommand({
  description: `Runs the reference target: a service that runs shell commands for every client that may connect.

Without a token these are your own processes on this machine, and root's. Where the system does not show whose a connection is (macOS), the target makes a token and prints it.`,
  options: Object.fromEntries(optionTable.map((row) => [row.name, optionOf(row)])),
  notes: () =>
    [
      wrapped(
        'Faults: NAME, NAME@N, NAME@N-M or NAME@N-, with whole numbers for :MS and :BYTES, for example slow:250@3-. For faults marked with *, a range counts opening handshakes; for the others, sessions in the order of their first execute.',
      ),
      ...faultDescriptions().map((line) => folded(`  ${line}`)),
    ].join('\n'),
  notDone: 'The reference target was not started',
  examples: ['ws-stress target', 'ws-stress target --port 8010 --fault exit-3@2-'],
  act: async ({ values, problems: typed, refuse }) => {
    const { options, problems } = readArguments(values);
    if (typed.length > 0 || problems.length > 0) return refuse([...typed, ...problems]);
    const stopped = stopSignal();
    try {
      const generated = needsToken(options) ? randomBytes(16).toString('hex') : undefined;
      const target = await startTarget({ ...options, token: options.token ?? generated });
      warn(options);
      if (generated !== undefined) process.stderr.write(tokenText(generated, target.url));
      process.stdout.write(`listening on ${target.url}\n`);
      await stopped.wait();
      await target.close();
      return 0;
    } catch (error) {
      const isUsage = error instanceof TargetOptionsError;
      process.stderr.write(`${messageOf(error)}\n`);
      return isUsage ? badUsage : 1;
    } finally {
      stopped.forget();
    }
  },
});
