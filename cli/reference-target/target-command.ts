import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { folded } from '../../lib/text/fold.ts';
import { interpretersIn } from '../../reference-target/allow-list.ts';
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
  tokenVariable,
  type OptionRow,
  type TargetOptions,
} from '../../reference-target/options.ts';
import { showsPeerUsers } from '../../reference-target/peer-user.ts';
import { startTarget } from '../../reference-target/server.ts';

const badUsage = 2;

const readArguments = (given: Values<Options>): { options: TargetOptions; problems: string[] } => {
  const problems: string[] = [];
  const options: TargetOptions = { ...defaultOptions, token: process.env[tokenVariable] || undefined };
  for (const row of optionTable) {
    const typed = given[row.name];
    if (typed === undefined) continue;
    const taken = row.read(Array.isArray(typed) ? typed : []);
    if ('problem' in taken) problems.push(`--${row.name}: ${taken.problem}`);
    else Object.assign(options, { [row.key]: taken.value });
  }
  problems.push(...optionProblems(options));
  return { options, problems };
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

const optionOf = ({
  unit,
  description,
  shownDefault,
  mayBeEmpty,
  choices,
  completions,
}: OptionRow): OptionDeclaration =>
  unit === ''
    ? { description }
    : {
        takes: unit,
        // Several values are one problem more, or a list.
        repeatable: true,
        description: `${description} (default: ${shownDefault})`,
        ...(mayBeEmpty && { mayBeEmpty }),
        ...(choices !== undefined && { choices }),
        ...(completions !== undefined && { completions }),
      };

export const targetCommand = declareCommand({
  description: `Runs the reference target: a service that runs shell commands for every client that may connect.

Without a token, only your own and root's processes may connect. Where the system does not show whose a connection is (macOS), the target makes a token and prints it.`,
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
