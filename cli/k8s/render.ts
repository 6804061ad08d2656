import { existsSync, readFileSync } from 'node:fs';
import { bundleOf, factsOrUnknown, scenarioProblem } from '../shared/scenarios.ts';
import { refusing } from '../shared/refusal.ts';
import { runProblems } from '../run/run-inputs.ts';
import { helpEntry, readOptions, settingsEnvironment, settingsHelp, settingsOptions } from '../shared/parse-options.ts';
import { spellingOf } from '../shared/settings-options.ts';
import { k6ArgumentProblems } from './k6-arguments.ts';
import { maxConfigMapBytes, renderManifests, scriptFolder, type Rendered, type Variable } from './manifest.ts';
import {
  cpuProblem,
  cronProblem,
  imageProblem,
  memoryOf,
  nameProblem,
  namespaceProblem,
  neededMiB,
  podSettingsProblems,
  secretOf,
  splitProblems,
} from './options.ts';

const help = (): string => `Usage: ws-stress k8s render <scenario> --image IMAGE [options]
                      [-- k6 options]

Writes manifests for the k6-operator to standard output: a ConfigMap with the
scenario's bundle and a TestRun that runs it, or with --cron a CronJob that
creates one at each due time. Apply with kubectl apply --server-side -f -.
Settings are taken from options alone, not from the environment. Exit code: 0;
2 for wrong options.

Options:
${helpEntry('--image IMAGE', 'The k6 of the runners, 2.0 or newer, by digest or exact version: grafana/k6:2.2.0.')}
${helpEntry('--parallelism N', 'How many runners share the sessions. Default: 1.')}
${helpEntry('--name NAME', 'Of the TestRun, or how the names of a schedule begin. Default: ws-stress-<scenario>.')}
${helpEntry('--namespace NAME', "Where it goes. Default: kubectl's; with --cron it must be given.")}
${helpEntry('--secret SETTING=SECRET/KEY', 'A variable of the runners from a secret, such as STRESS_TOKEN=ws-stress/token; as often as needed.')}
${helpEntry('--write-to URL', 'Where the runners send metrics for ws-stress gate: Prometheus remote write.')}
${helpEntry('--memory SIZE', 'What each runner asks for, such as 800Mi. Default: as much as was measured for its sessions.')}
${helpEntry('--cpu N', 'Processors that each runner asks for. Default: 1.')}
${helpEntry('--separate', 'No two runners on one node.')}
${helpEntry('--starter-image IMAGE', "The operator's starter, by digest or exact version. Default: the operator's own.")}
${helpEntry('--skip-initializer', "Without the operator's check of the script: for an image without a shell, such as ours.")}
${helpEntry('--cron SCHEDULE', 'Run it again and again, such as "0 3 * * *".')}
${helpEntry('--kubectl-image IMAGE', 'With --cron: an image that has kubectl, by digest or exact version.')}
${helpEntry('--help', 'Show this.')}
Settings of the run:
${settingsHelp()}

Example:
  ws-stress k8s render concurrent --image grafana/k6:2.2.0 --parallelism 3 \\
    --vus 300 --url ws://my-service:8003/ws/mcp \\
    --write-to http://prometheus:9090/api/v1/write |
    kubectl apply --server-side -f -
`;

const own = {
  image: { type: 'string' },
  parallelism: { type: 'string' },
  name: { type: 'string' },
  namespace: { type: 'string' },
  secret: { type: 'string', multiple: true },
  'write-to': { type: 'string' },
  memory: { type: 'string' },
  cpu: { type: 'string' },
  separate: { type: 'boolean' },
  'starter-image': { type: 'string' },
  'skip-initializer': { type: 'boolean' },
  cron: { type: 'string' },
  'kubectl-image': { type: 'string' },
  help: { type: 'boolean' },
} as const;

const refuse = refusing('Nothing was rendered');

const maxRunners = 1000;

const present = (...problems: readonly (string | undefined)[]): string[] =>
  problems.filter((each) => each !== undefined);

const writeToProblem = (text: string): string | undefined => {
  const expected = '--write-to: expected an address such as http://prometheus:9090/api/v1/write';
  try {
    const { protocol, username, password, search } = new URL(text);
    if (!['http:', 'https:'].includes(protocol)) return `${expected}; received ${protocol}`;
    return username + password + search === ''
      ? undefined
      : `${expected}, without a name, a password or a query: give K6_PROMETHEUS_RW_USERNAME and …_PASSWORD by --secret`;
  } catch {
    // What came may hold a secret where it is half an address.
    return expected;
  }
};

/** Settings that name a file: it goes into the ConfigMap, and the setting names it there. */
const carried: readonly { setting: string; file: string }[] = [
  { setting: 'STRESS_THRESHOLDS', file: 'thresholds.json' },
  { setting: 'STRESS_COMMANDS', file: 'commands.json' },
];

const carryFiles = (
  asked: Readonly<Record<string, string>>,
): { files: Record<string, string>; settings: Record<string, string> } => {
  const files: Record<string, string> = {};
  const settings = { ...asked };
  for (const { setting, file } of carried) {
    const from = asked[setting];
    if (from === undefined || !from.endsWith('.json')) continue;
    files[file] = readFileSync(from, 'utf8');
    settings[setting] = `${scriptFolder}/${file}`;
  }
  return { files, settings };
};

const variablesOf = (
  settings: Readonly<Record<string, string>>,
  secrets: readonly Variable[],
  writeTo: string | undefined,
): Variable[] => [
  ...Object.entries(settings).map(([name, value]) => ({ name, value })),
  // The operator labels each pod with the name of its TestRun: all runners and their records have it in common.
  ...(settings.STRESS_RUN_ID === undefined ? [{ name: 'STRESS_RUN_ID', field: "metadata.labels['k6_cr']" }] : []),
  ...(settings.STRESS_FLEET === undefined ? [] : [{ name: 'GOGC', value: '25' }]),
  ...(writeTo === undefined
    ? []
    : [
        { name: 'K6_OUT', value: 'experimental-prometheus-rw' },
        { name: 'K6_PROMETHEUS_RW_SERVER_URL', value: writeTo },
        { name: 'K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM', value: 'true' },
      ]),
  { name: 'K6_NO_USAGE_REPORT', value: 'true' },
  ...secrets,
];

const sizeProblem = (files: Readonly<Record<string, string>>): string | undefined => {
  const bytes = Object.entries(files).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0);
  return bytes <= maxConfigMapBytes
    ? undefined
    : `a ConfigMap holds at most ${maxConfigMapBytes} bytes; bundle, thresholds and commands have ${bytes}: make the files smaller`;
};

type Values = Partial<Record<string, string | boolean | (string | boolean)[]>>;

/** What is rendered, or everything that is wrong with what was asked. */
const readAsked = (scenario: string, values: Values, k6Args: readonly string[]): Rendered | { problems: string[] } => {
  const textOf = (name: keyof typeof own): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const asked = settingsEnvironment(values);
  const [image, namespace, writeTo, cron, kubectlImage, starterImage, memory] = (
    ['image', 'namespace', 'write-to', 'cron', 'kubectl-image', 'starter-image', 'memory'] as const
  ).map(textOf);
  const name = textOf('name') ?? `ws-stress-${scenario}`;
  const cpu = textOf('cpu') ?? '1';
  const runners = textOf('parallelism') ?? '1';
  const parallelism = /^\d+$/.test(runners) ? Number(runners) : 0;
  const given = Array.isArray(values.secret) ? values.secret.filter((each) => typeof each === 'string') : [];
  const secrets = given.map(secretOf);
  const named = secrets.flatMap((each) => (typeof each === 'string' ? [] : [each.name]));
  const bundle = bundleOf(scenario);
  const unknown = scenarioProblem(scenario);
  const isKnown = unknown === undefined;
  const size = memory === undefined ? undefined : memoryOf(memory);
  const ofSettings = [...podSettingsProblems(asked), ...runProblems(asked, scenario, undefined, spellingOf(asked, {}))];
  const problems = [
    ...(unknown === undefined ? [] : [unknown]),
    ...(isKnown && !existsSync(bundle)
      ? [`expected the bundle ${bundle}; it is not there: npm run build makes it`]
      : []),
    ...present(
      image === undefined
        ? '--image: expected the image of the runners, such as grafana/k6:2.2.0'
        : imageProblem('--image', image),
      isKnown || textOf('name') !== undefined ? nameProblem(name) : undefined,
      namespace === undefined ? undefined : namespaceProblem(namespace),
      writeTo === undefined ? undefined : writeToProblem(writeTo),
      starterImage === undefined ? undefined : imageProblem('--starter-image', starterImage),
      kubectlImage === undefined ? undefined : imageProblem('--kubectl-image', kubectlImage),
      cron === undefined ? undefined : cronProblem(cron),
      cpuProblem(cpu),
      typeof size === 'string' ? size : undefined,
    ),
    ...(cron !== undefined && namespace === undefined ? ['--cron: expected together with --namespace'] : []),
    ...(cron !== undefined && kubectlImage === undefined ? ['--cron: expected together with --kubectl-image'] : []),
    ...(cron === undefined && kubectlImage !== undefined ? ['--kubectl-image: expected together with --cron'] : []),
    ...(parallelism >= 1 && parallelism <= maxRunners
      ? isKnown && ofSettings.length === 0
        ? splitProblems(factsOrUnknown(scenario), asked, parallelism)
        : []
      : [`--parallelism: expected a whole number from 1 to ${maxRunners}; received ${JSON.stringify(runners)}`]),
    ...secrets.filter((each) => typeof each === 'string'),
    ...named
      .filter((each, index) => named.indexOf(each) !== index || asked[each] !== undefined)
      .map((each) => `--secret: expected ${each} once; it is given twice`),
    ...k6ArgumentProblems(k6Args),
    ...ofSettings,
  ];
  if (problems.length > 0 || image === undefined) return { problems };
  const { files, settings } = carryFiles(asked);
  const script = `${scenario}.js`;
  const all = { [script]: readFileSync(bundle, 'utf8'), ...files };
  const tooLarge = sizeProblem(all);
  if (tooLarge !== undefined) return { problems: [tooLarge] };
  return {
    name,
    namespace,
    image,
    starterImage,
    parallelism,
    separate: values.separate === true,
    files: all,
    script,
    variables: variablesOf(
      settings,
      secrets.filter((each) => typeof each !== 'string'),
      writeTo,
    ),
    k6Args,
    resources: {
      ...(typeof size === 'number'
        ? { memoryMiB: size, memoryLimitMiB: Math.ceil(size * 1.5) }
        : neededMiB(asked, parallelism)),
      cpu,
    },
    skipInitializer: values['skip-initializer'] === true,
    cron: cron === undefined || kubectlImage === undefined ? undefined : { schedule: cron, kubectlImage },
  };
};

/** `ws-stress k8s`: renders manifests for the k6-operator; returns the exit code. */
export const k8sCommand = async (argv: string[]): Promise<number> => {
  const split = argv.indexOf('--');
  const k6Args = split < 0 ? [] : argv.slice(split + 1);
  const before = split < 0 ? argv : argv.slice(0, split);
  const given = readOptions(before, { ...settingsOptions(), ...own }, help(), refuse);
  if (typeof given === 'number') return given;
  const { values, positionals } = given;
  const [action = '', scenario = '', ...extra] = positionals;
  if (action !== 'render') {
    return refuse([`expected ws-stress k8s render <scenario>; received ${action || 'nothing'} in place of render`]);
  }
  const asked = readAsked(scenario, values, k6Args);
  const problems = [
    ...(extra.length > 0 ? [`expected one scenario, received also ${extra.join(' ')}`] : []),
    ...('problems' in asked ? asked.problems : []),
  ];
  if (problems.length > 0 || 'problems' in asked) return refuse(problems);
  process.stdout.write(renderManifests(asked));
  return 0;
};
