import { plain, plainLines, visibleJson } from '../../lib/text/visible.ts';
import { wantsLimitedInstance } from '../../lib/load/scenario-facts.ts';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import {
  flagsVariable,
  parseSettings,
  recordCopyVariable,
  settingGroups,
  shownUrl,
  summaryVariable,
} from '../../lib/load/settings.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import type { Result } from '../../lib/results/result-schema.ts';
import { summaryText } from '../../lib/results/summary.ts';
import { folded } from '../../lib/text/fold.ts';
import { saturationText, verdictLineOf } from '../results/verdict-text.ts';
import { closingText } from './closing-text.ts';
import { generatorLine, generatorProblem } from './generator-watch.ts';
import { interruptedCode, takeSignals, type Interruption } from './interruption.ts';
import { lostRecordLine, recordWithoutK6, writtenRecord } from './lost-record.ts';
import { guardedEnvironment, k6OptionProblems, ownArguments, settingsTyped } from './k6-options.ts';
import { startHelper } from './helper.ts';
import { helperActions, helperOptions, helperProblems } from './helper-options.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { outputProblems, overwritingProblems, writeOutput } from '../shared/output-file.ts';
import { startLive, type LiveReport } from '../report/live.ts';
import { isNews, judgedCodes, runK6, type K6End, type K6Output } from './run-k6.ts';
import { packageVersion } from '../shared/package-root.ts';
import { bundleOf, scenarioNames, scenarioProblem, scenariosOf, staleNote } from '../shared/scenarios.ts';
import { orReport, writeResults } from '../results/after-run.ts';
import { githubAnnotations } from '../results/annotations.ts';
import { notify, notifyFormats, notifyProblems } from '../results/notify.ts';
import { writeExports, type Exports } from '../results/exports.ts';
import {
  fingerprint,
  makeRunFolder,
  newRunId,
  readRunRecord,
  thisMachine,
  type RunFolder,
} from '../results/run-folder.ts';
import { openResults, whereMoved } from '../results/results-folder.ts';
import { indexForRun, type Replay } from '../results/recovery-store.ts';
import { addressOf } from '../results/run-load.ts';
import { addFrameFindings, evaluateByList, readExpectedList, type ExpectedList } from './run-expected.ts';
import { runProblems } from './run-inputs.ts';
import { readRounds, type RecordedRounds } from './round-figures.ts';
import { expectedLoad, showProgress, type RunProgress } from './run-progress.ts';
import { scenarioFor } from './scenario-file.ts';
import { stopReason } from './stop-reason.ts';
import { restartableTarget, startTarget } from './service-control.ts';
import { certificates, certificatesFile } from '../shared/common-options.ts';
import { declareCommand, type Given, type Options } from '../shared/command.ts';
import { allSettings, spellingOf } from '../shared/settings-options.ts';
import { counted } from '../../lib/text/quantities.ts';
import { printable } from '../shared/printable.ts';
import { wrapped } from '../shared/help-entry.ts';
import { defaultOptions, tokenProblems } from '../../reference-target/options.ts';
import { ensureK6, type K6 } from '../setup/setup.ts';

/** What `ws-stress run` takes apart from its settings. */
const options = {
  'with-target': {
    description: 'Start the reference target on a free loopback port and run against it.',
    group: 'Target service',
  },
  ca: { ...certificates, group: 'Target service' },
  folder: {
    takes: 'folder',
    description: 'Where the run writes its results, and earlier ones are. Default: stress-results.',
    group: 'Criteria and results',
  },
  junit: { takes: 'file', description: 'Write the verdict to this file as JUnit XML.', group: 'Criteria and results' },
  markdown: { takes: 'file', description: 'Write a summary to this file in Markdown.', group: 'Criteria and results' },
  badge: {
    takes: 'file',
    description: 'Write the verdict to this file as a badge, SVG.',
    group: 'Criteria and results',
  },
  notify: {
    takes: 'url',
    description:
      'Post the result to this webhook when the run has ended: JSON (schemas/result.schema.json), or text for Slack. [WS_STRESS_NOTIFY]',
    group: 'Criteria and results',
  },
  'notify-format': {
    takes: 'format',
    choices: notifyFormats,
    description: 'Default: slack for hooks.slack.com, otherwise json.',
    group: 'Criteria and results',
  },
  expect: {
    takes: 'file',
    description:
      'Judge the findings by this list of expected ones: new, changed and vanished findings fail the run (docs/expected-findings.md).',
    group: 'Criteria and results',
  },
  'write-expect': {
    takes: 'file',
    description: 'Write such a list from the findings of this run, or update it.',
    group: 'Criteria and results',
  },
  ...helperOptions,
  'replay-all': {
    description:
      'Replay the kept failures of every address. Default: those of the service under test alone (docs/recovery.md).',
    group: 'Cases and service control',
  },
  live: {
    description: 'Serve the report on loopback while the run lasts, for a browser; stderr shows its address.',
    group: 'Criteria and results',
  },
  'k6-output': {
    description: "Show k6's own progress bars, summary and messages about thresholds too.",
    group: 'k6 and the rest',
  },
} as const satisfies Options;

/** What was typed after `ws-stress run`. */
export type GivenRun = Given<typeof options>;

/** Its options as a part of other commands. */
export const runOptions = {
  options,
  settings: () => allSettings(),
  groups: settingGroups,
  takesK6Options: true,
} as const;

export const runCommand = declareCommand({
  description: `Runs a scenario with k6 and reports its verdict. One of your own project is named as it is or by its file, and built when needed.

An option that shows a STRESS_ variable in brackets can also be set by this variable, or by -e for k6.

Exit code: 0 pass, 99 a criterion failed or a finding is not as --expect lists it, 108 nothing was run, 110 invalid, 2 wrong options; otherwise that of k6.`,
  arguments: [{ name: 'scenario', required: true, isPath: true, choices: () => scenarioNames() }],
  ...runOptions,
  notes: () => wrapped(`Scenarios: ${scenarioNames().join(', ')}. ws-stress list shows what they check.`),
  examples: [
    'ws-stress run suite --with-target',
    'ws-stress run concurrent --url ws://localhost:8003/ws/mcp --vus 50',
    'ws-stress run ./scenarios/mine.ts --with-target',
    'ws-stress run single --url wss://example.org/ws/mcp --ca ca.pem -- --quiet',
  ],
  act: (given) => runScenario(given),
});

/** Checks everything, sets k6 up and runs the scenario's bundle; returns the exit code. */
export const runScenario = async ({
  values,
  asked: flags,
  positionals,
  k6Args: typedForK6,
  problems: ofCommandLine,
  refuse,
}: GivenRun): Promise<number> => {
  const found = await scenarioFor(positionals[0] ?? '');
  if ('problems' in found) return refuse([...found.problems, ...ofCommandLine]);
  const { scenario } = found;
  const { settings: typed, others: k6Args } = settingsTyped(typedForK6);
  const asked = { ...flags, ...typed };
  const asFlags = Object.fromEntries(Object.entries(flags).filter(([name]) => typed[name] === undefined));
  const spelled = spellingOf(asFlags, { ...process.env, ...typed });
  const ca = certificatesFile(values.ca);
  const { env, warnings } = guardedEnvironment({
    ...process.env,
    ...asked,
    ...(ca !== undefined && { SSL_CERT_FILE: ca }),
  });
  const withTarget = values['with-target'] === true;
  const exports: Exports = {
    json: env.STRESS_RESULT || undefined,
    junit: values.junit,
    markdown: values.markdown,
    badge: values.badge,
  };
  const webhook = values.notify ?? (process.env.WS_STRESS_NOTIFY || undefined);
  const { expected, problems: ofExpected } = readExpectedList(values, env, hasOwnOutput(k6Args));
  const [stale, unknown] = [staleNote(scenario), scenarioProblem(scenario)];
  const problems = [
    ...(unknown === undefined ? [] : [stale ?? unknown]),
    ...ofCommandLine,
    ...(withTarget && asked.STRESS_URL !== undefined
      ? [`expected --with-target or ${spelled('STRESS_URL')}, received both`]
      : []),
    ...(withTarget && asked.STRESS_TOKEN !== undefined
      ? tokenProblems(asked.STRESS_TOKEN, defaultOptions.host).map(
          (problem) => `${spelled('STRESS_TOKEN')}: ${problem}`,
        )
      : []),
    ...helperProblems(values, env, spelled),
    ...k6OptionProblems(k6Args, env),
    ...Object.entries({
      '--junit': values.junit,
      '--markdown': values.markdown,
      '--badge': values.badge,
      [spelled('STRESS_RESULT')]: env.STRESS_RESULT,
    })
      .filter(([, file]) => file === '-')
      .map(([option]) => `${option}: expected a file, received -: ws-stress export writes to stdout`),
    ...outputProblems({ '--junit': values.junit, '--markdown': values.markdown, '--badge': values.badge }),
    ...notifyProblems(webhook, values['notify-format']),
    ...overwritingProblems(
      {
        [spelled('STRESS_RESULT')]: env.STRESS_RESULT,
        '--junit': values.junit,
        '--markdown': values.markdown,
        '--badge': values.badge,
        '--write-expect': values['write-expect'],
      },
      {
        scenario: positionals[0],
        [spelled('STRESS_COMMANDS')]: env.STRESS_COMMANDS,
        [spelled('STRESS_THRESHOLDS')]: env.STRESS_THRESHOLDS,
        [spelled('STRESS_RECOVERY')]: env.STRESS_RECOVERY,
        '--ca': ca,
        '--expect': values.expect,
      },
    ),
    ...(values.live === true && hasOwnOutput(k6Args)
      ? ["--live: expected the records in the run's folder; k6's own options send them elsewhere"]
      : []),
    ...ofExpected,
    ...runProblems(env, scenario, ca, spelled),
  ];
  if (problems.length > 0) return refuse(problems);
  if (stale !== undefined) console.error(`warning: ${stale}`);
  for (const warning of warnings) console.error(warning);

  const parts = scenariosOf(scenario);
  const k6 = await ensureK6();
  const base = await openResults(values.folder);
  if (env.STRESS_RECOVERY) env.STRESS_RECOVERY = whereMoved(env.STRESS_RECOVERY, base);
  let folder: RunFolder;
  try {
    folder = await makeRunFolder(base, env.STRESS_RUN_ID || newRunId());
    if (parts.some(({ needs }) => needs.includes('kept-failures')) && !env.STRESS_RECOVERY) {
      const address = values['replay-all'] === true ? undefined : addressUnderTest(withTarget, env);
      const { index, left } = await indexForRun(folder, address);
      env.STRESS_RECOVERY = index;
      if (left.cases > 0) console.error(folded(leftText(left)));
    }
  } catch (error) {
    return refuse([messageOf(error)]);
  }
  const interruption = takeSignals();
  // A reader that is gone does not end the run: its exit code has the verdict.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const running: { close: () => Promise<void> }[] = [];
  const whileRunning = <Closable extends { close: () => Promise<void> }>(started: Closable): Closable => {
    running.push(started);
    return started;
  };
  try {
    const token = asked.STRESS_TOKEN ?? randomBytes(tokenBytes).toString('hex');
    const target = withTarget ? whileRunning(await restartableTarget({ port: 0, token })) : undefined;
    if (target !== undefined) console.error(`reference target listening on ${target.url}`);
    const takesLimited = withTarget && parts.some(wantsLimitedInstance) && asked.STRESS_LIMITED_URL === undefined;
    const limited = takesLimited ? whileRunning(await startTarget({ port: 0, token, ...limits })) : undefined;
    if (limited !== undefined) {
      console.error(`a second one, with an allow-list and ${limits.maxSessions} sessions, on ${limited.url}`);
    }
    const actions = target ?? helperActions(values, interruption);
    const helper = actions === undefined ? undefined : whileRunning(await startHelper(actions));
    // A service of the user's that is stopped is started again before anything else; the reference target may still be asked.
    const afterK6 = async (): Promise<void> => {
      if (target === undefined) await orReport('not everything could be ended', async () => helper?.close());
    };
    const bundle = bundleOf(scenario);
    const pid = values['target-pid'];
    const served = { ...env, ...(target !== undefined && { STRESS_URL: target.url }) };
    const live = values.live
      ? await orReport('the report cannot be served', () => startLive(scenario, folder, served))
      : undefined;
    if (live !== undefined) console.error(`live report, while the run lasts: ${whileRunning(live).url}`);
    return await runAndTell(
      {
        scenario,
        k6,
        bundle,
        folder,
        exports,
        expected,
        interruption,
        withTarget,
        servicePid: pid === undefined ? undefined : Number(pid),
        live,
        webhook,
        format: values['notify-format'],
        showsK6: values['k6-output'] === true,
        afterK6,
      },
      k6Args,
      {
        // Sessions of a fleet are many and mostly idle: memory counts for more than what its collection takes.
        ...(env.STRESS_FLEET && { GOGC: '25' }),
        ...env,
        [flagsVariable]: Object.keys(asFlags).join(','),
        // By the environment, because other users can see a command line.
        ...(target !== undefined && { STRESS_URL: target.url, STRESS_TOKEN: token }),
        ...(limited !== undefined && { STRESS_LIMITED_URL: limited.url }),
        ...helper?.environment,
      },
    );
  } finally {
    for (const each of running.toReversed()) await orReport('not everything could be ended', () => each.close());
    interruption.end();
  }
};

/** The address of the service that a run is for, as recovery cases record it; undefined where its settings are wrong. */
export const addressUnderTest = (withTarget: boolean, env: NodeJS.ProcessEnv): string | undefined => {
  const { settings, problems } = parseSettings(env);
  if (problems.length > 0) return undefined;
  return addressOf({ url: shownUrl(settings.url), ...(withTarget && { withTarget: true as const }) });
};

const leftText = ({ cases, addresses }: Replay['left']): string =>
  `recovery: ${counted(cases, 'kept failure')} from another address (${printable(addresses.slice(0, 3).join(', '), 200)}) will not be replayed; --replay-all replays all`;

/** Of a token made for one run, so that other users of this machine cannot run commands by the reference target. */
const tokenBytes = 16;

/** The second reference target's. */
const limits = { maxSessions: 4, allow: ['echo', 'ls', 'sleep'] };

/** A run, as its results need it. */
interface Asked {
  scenario: string;
  k6: K6;
  bundle: string;
  folder: RunFolder;
  exports: Exports;
  expected: ExpectedList | undefined;
  interruption: Interruption;
  /** Against the reference target that it started. */
  withTarget: boolean;
  /** The address that the result is posted to, and the form in which. */
  webhook: string | undefined;
  format: string | undefined;
  /** The service's process, where --target-pid names it. */
  servicePid: number | undefined;
  live: LiveReport | undefined;
  /** k6's own bars, summary and messages are shown too. */
  showsK6: boolean;
  /** Called when k6 has ended, while results are written. */
  afterK6: () => Promise<unknown>;
}

/** Whether k6's own options say where records go. */
const hasOwnOutput = (k6Args: readonly string[]): boolean =>
  k6Args.some((arg) => /^--(console-output|log-format|log-output)\b/.test(arg));

/**
 * Runs k6, completes the run record, and prints what the run showed. Records go into the run's folder, unless k6's
 * own options put them elsewhere.
 */
const runAndTell = async (asked: Asked, k6Args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const { folder, k6, bundle, interruption } = asked;
  const isTaken = hasOwnOutput(k6Args);
  const output = isTaken ? [] : ['--console-output', folder.records, '--log-format', 'raw'];
  const isVerbose = k6Args.some((arg) => /^(-v|--verbose)$/.test(arg));
  const showsK6 = asked.showsK6 || isVerbose;
  const hasBars = isVerbose || (showsK6 && process.stdout.isTTY);
  const progress = hasBars ? undefined : progressOf(asked, isTaken, hasOwnLoad(k6Args), env);
  const held: string[] = [];
  // The disk of the results may become full, or their folder vanish.
  const temporary = await temporaryFolder();
  const copy = temporary && path.join(temporary, 'run.json');
  try {
    const end = await runK6({
      path: k6.path,
      args: ['run', ...(hasBars ? [] : ['--quiet']), ...output, ...k6Args, ...ownArguments, bundle],
      env: {
        ...env,
        STRESS_RUN_ID: folder.id,
        STRESS_RESULT: folder.run,
        ...(copy && { [recordCopyVariable]: copy }),
        ...(!showsK6 && { [summaryVariable]: 'off' }),
        ...(!isTaken && { STRESS_RECORDS: env.STRESS_RECORDS ?? 'all' }),
      },
      interruption,
      temporary,
      servicePid: asked.servicePid,
      onWatch: asked.live?.watch,
      output: progress && outputOf(progress, showsK6, held),
    }).finally(() => progress?.end());
    const after = asked.afterK6();
    return await completed(asked, { ...end, held }, await writtenRecord(folder, copy), env, after);
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true }).catch(() => {});
  }
};

/** Whether k6's own options say what load there is. */
const hasOwnLoad = (k6Args: readonly string[]): boolean =>
  k6Args.some((arg) => /^(?:-[udis]|--(?:vus|duration|iterations|stage|config|execution-segment)\b)/.test(arg));

const progressOf = (
  { scenario, folder }: Asked,
  isTaken: boolean,
  isOwnLoad: boolean,
  env: NodeJS.ProcessEnv,
): RunProgress => {
  const kept = env.STRESS_RECORDS ?? 'all';
  const isTerminal = process.stderr.isTTY && process.env.TERM !== 'dumb';
  const { columns } = process.stderr;
  const target = { write: (text: string) => process.stderr.write(text), isTTY: isTerminal, columns };
  return showProgress(target, {
    scenario,
    load: isOwnLoad ? undefined : expectedLoad(scenario, env),
    file: isTaken || kept === 'off' ? undefined : folder.records,
    failuresOnly: kept === 'failures',
  });
};

/** k6's lines go above the line of progress; on a terminal, why it stopped waits for the end of the run, which says it too. */
const outputOf = ({ above }: RunProgress, showsK6: boolean, held: string[]): K6Output => ({
  out: (text) => above(process.stdout, text),
  err: (text) => above(process.stderr, text),
  isWanted: (line) => {
    if (showsK6) return true;
    const waits = process.stdout.isTTY && process.stderr.isTTY && line.startsWith('test aborted: ');
    if (waits) held.push(line);
    return !waits && isNews(line);
  },
});

/** More than a run record takes, bytes. */
const roomForRecord = 4 * 2 ** 20;

const hasRoom = async (folder: string): Promise<boolean> => {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize >= roomForRecord;
  } catch {
    return false;
  }
};

/** A folder that is not on the disk of the results, where there is one with room: in memory, as Linux has it. */
const temporaryFolder = async (): Promise<string | undefined> => {
  for (const parent of ['/dev/shm', tmpdir()]) {
    if (parent !== tmpdir() && !(await hasRoom(parent))) continue;
    const made = await mkdtemp(path.join(parent, 'ws-stress-run-')).catch(() => undefined);
    if (made !== undefined) return made;
  }
  return undefined;
};

const exitCodes: Readonly<Record<RunRecord['verdict'], number>> = {
  PASS: 0,
  FAIL: 99,
  'NOT RUN': 108,
  INVALID: 110,
  'NOT APPLICABLE': 0,
};

/** Whether an exit code of k6 says what happened; a crash of Go ends with 2, which is another thing here. */
const hasMeaning = (code: number): boolean => (code >= 97 && code <= 110) || code === 255;

/** The exit code of a verdict; where k6 has one of its own for what happened, that one. */
const exitCodeOf = ({ verdict }: RunRecord, { code, signal }: K6End, isSuite: boolean): number => {
  if (signal !== undefined && code !== interruptedCode) return exitCodes[verdict];
  if (!judgedCodes.has(code)) return hasMeaning(code) ? code : exitCodes[verdict];
  return verdict === 'NOT RUN' && isSuite ? code : exitCodes[verdict];
};

/** Completes the run record, writes what can be written, and prints the verdict; returns the exit code. */
const completed = async (
  { scenario, folder, k6, bundle, exports, expected, withTarget, interruption, webhook, format, live }: Asked,
  end: K6End & { held: readonly string[] },
  written: RunRecord | string,
  env: NodeJS.ProcessEnv,
  after: Promise<unknown>,
): Promise<number> => {
  const isSuite = scenariosOf(scenario).length > 1;
  const isJudged = judgedCodes.has(end.code) && typeof written !== 'string';
  if (typeof written !== 'string' && isJudged && expected !== undefined) {
    await orReport('the frames of conformance could not be asked', () => addFrameFindings(written, folder, env));
  }
  const recorded = await orReport(`${folder.records} could not be read`, () => readRounds(folder.records));
  for (const line of recorded?.other ?? []) console.error(plain(line));
  const { generator } = end;
  const problem = generator && isJudged ? generatorProblem(generator) : undefined;
  if (problem !== undefined) console.error(problem);
  if (typeof written === 'string') console.error(lostRecordLine(written, end));
  const record = typeof written === 'string' ? await recordWithoutK6(scenario, folder, env, end) : written;
  // With k6's own options the summary can't see that a run was cut short.
  const isCutShort = record.verdict === 'PASS' && !judgedCodes.has(end.code);
  const fingerprinted = await orReport(`${bundle} could not be read`, () => fingerprint(bundle));
  const ownRecord: RunRecord = {
    ...record,
    ...(withTarget && { withTarget: true as const }),
    ...(problem !== undefined && { verdict: 'INVALID' as const }),
    ...(isCutShort && { verdict: 'INVALID' as const, cutShort: true as const }),
    suiteVersion: packageVersion(),
    k6Version: k6.version,
    ...(fingerprinted !== undefined && { bundle: fingerprinted }),
    machine: thisMachine(),
    ...(generator && { generator }),
    ...(end.saturation && { saturation: end.saturation }),
  };
  const reason = await orReport(`${folder.records} could not be read`, () =>
    stopReason(folder, ownRecord, interruption),
  );
  if (reason !== undefined) ownRecord.reason = reason;
  for (const line of end.held) if (reason === undefined || !line.includes(reason)) console.error(plain(line));
  const byList =
    expected &&
    (await orReport(`the findings could not be compared with ${expected.file}`, () =>
      evaluateByList(ownRecord, folder, expected),
    ));
  const finished = byList?.record ?? ownRecord;
  try {
    await writeOutput(folder.run, `${visibleJson(finished, 2)}\n`);
  } catch (error) {
    console.error(plainLines(messageOf(error)));
    // What k6 left there may be a part of a record.
    await readRunRecord(folder.run).catch(() => rm(folder.run, { force: true }).catch(() => {}));
  }
  const samples = end.watch?.samples(folder.id);
  if (samples !== undefined)
    await orReport(`${folder.samples} could not be written`, () =>
      writeOutput(folder.samples, `${JSON.stringify(samples)}\n`),
    );
  const colour = process.stdout.isTTY && !process.env.NO_COLOR;
  const result = await orReport('results are missing', () =>
    writeResults(folder, finished, async (words) => {
      process.stdout.write(endText(words, finished, recorded?.rounds, colour));
      if (generator) console.error(generatorLine(generator));
    }),
  );
  await live?.finish();
  const isExported = await exported(exports, finished, folder, result);
  if (byList !== undefined) process.stdout.write(byList.text);
  await after;
  if (end.saturation !== undefined) console.error(folded(`warning: ${saturationText(end.saturation)}`));
  if (result) await announce(result, webhook, format, env);
  // Whoever reads the end of a log finds it there.
  console.log(verdictLineOf(finished, colour));
  const code = exitCodeOf(finished, end, isSuite);
  const isLeft = expected === undefined || byList?.isLeft === true;
  return isExported && isLeft ? code : code || 1;
};

/** What the end of a run prints: in words, or as k6's summary has it where there are no words. */
const endText = (
  result: Result | undefined,
  record: RunRecord,
  rounds: RecordedRounds['rounds'] | undefined,
  colour: boolean,
): string =>
  result
    ? closingText(result, record, rounds, colour)
    : summaryText(record.test, undefined, record.url, '', record.settings, record, record.success, colour);

/** Tells others of a result: annotations where GitHub Actions reads what is printed, and the webhook. */
const announce = async (
  result: Result,
  webhook: string | undefined,
  format: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<void> => {
  if (process.env.GITHUB_ACTIONS === 'true') process.stdout.write(githubAnnotations(result));
  if (webhook !== undefined) console.error(await notify(result, webhook, format, env));
};

/** Writes the files that the options name; a failure is printed and does not change the verdict. */
const exported = async (
  exports: Exports,
  record: RunRecord,
  folder: RunFolder,
  result: Result | undefined,
): Promise<boolean> => {
  try {
    await writeExports(exports, record, folder, result);
    return true;
  } catch (error) {
    console.error(`${plainLines(messageOf(error))}; ws-stress export ${record.run} writes it again`);
    return false;
  }
};
