import { settingGroups } from '../../lib/load/settings.ts';
import { existsSync, readFileSync } from 'node:fs';
import { bundleOf, factsOrUnknown, scenarioNames, scenarioProblem } from '../shared/scenarios.ts';
import { runProblems } from '../run/run-inputs.ts';
import { httpAddressProblem } from '../shared/http-address.ts';
import { problemsIn } from '../shared/refusal.ts';
import { declareCommand, type CommandGroup, type Given, type Options } from '../shared/command.ts';
import { allSettings, spellingOf } from '../shared/settings-options.ts';
import { k6ArgumentProblems } from './k6-arguments.ts';
import { maxConfigMapBytes, renderManifests, scriptFolder, type Rendered, type Variable } from './manifest.ts';
import { formProblem, imageProblem, neededMiB, podSettingsProblems, secretOf, splitProblems } from './options.ts';

const group = 'Test run';

const options = {
  image: {
    takes: 'image',
    description: 'The k6 of the runners, 2.0 or newer, by digest or exact version: grafana/k6:2.2.0.',
    group,
  },
  parallelism: { takes: 'n', description: 'How many runners share the sessions. Default: 1.', group },
  name: {
    takes: 'name',
    description: 'Name of the TestRun, or the beginning of the names of a schedule. Default: ws-stress-<scenario>.',
    group,
  },
  namespace: {
    takes: 'name',
    description: 'Its namespace. Default: that of kubectl; with --cron it must be given.',
    group,
  },
  secret: {
    takes: 'setting=secret/key',
    repeatable: true,
    description: 'A variable of the runners from a secret, such as STRESS_TOKEN=ws-stress/token; repeatable.',
    group,
  },
  'write-to': {
    takes: 'url',
    description: 'Where the runners send metrics for ws-stress gate: Prometheus remote write.',
    group,
  },
  memory: {
    takes: 'size',
    description: 'Memory request of each runner, such as 800Mi. Default: as measured for its sessions.',
    group,
  },
  cpu: { takes: 'n', description: 'Processors that each runner requests. Default: 1.', group },
  separate: { description: 'No two runners on one node.', group },
  'starter-image': {
    takes: 'image',
    description: "The operator's starter, by digest or exact version. Default: the operator's own.",
    group,
  },
  'skip-initializer': {
    description: "Without the operator's check of the script: for an image without a shell, such as ours.",
    group,
  },
  cron: { takes: 'schedule', description: 'Run it repeatedly, such as "0 3 * * *".', group },
  'kubectl-image': {
    takes: 'image',
    description: 'With --cron: an image that has kubectl, by digest or exact version.',
    group,
  },
} as const satisfies Options;

const maxRunners = 1000;

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

/** What is rendered, or everything that is wrong with what was asked. */
const readAsked = ({
  values,
  asked,
  positionals: [scenario = ''],
  k6Args,
  problems: typed,
}: Given<typeof options>): Rendered | { problems: readonly string[] } => {
  const { image, namespace, 'write-to': writeTo, cron, memory } = values;
  const { 'kubectl-image': kubectlImage, 'starter-image': starterImage } = values;
  const name = values.name ?? `ws-stress-${scenario}`;
  const cpu = values.cpu ?? '1';
  const runners = values.parallelism ?? '1';
  const parallelism = /^\d+$/.test(runners) ? Number(runners) : 0;
  const given = values.secret ?? [];
  const secrets = given.map(secretOf);
  const named = secrets.flatMap((each) => (typeof each === 'string' ? [] : [each.name]));
  const bundle = bundleOf(scenario);
  const unknown = scenarioProblem(scenario);
  const isKnown = unknown === undefined;
  const ofSettings = [...podSettingsProblems(asked), ...runProblems(asked, scenario, undefined, spellingOf(asked, {}))];
  const problems = [
    ...typed,
    ...problemsIn(
      unknown,
      isKnown && !existsSync(bundle) && `expected the bundle ${bundle}; it is not there: npm run build makes it`,
      image === undefined && '--image: expected the image of the runners, such as grafana/k6:2.2.0',
      imageProblem('--image', image),
      isKnown || values.name !== undefined ? formProblem('--name', name) : undefined,
      // Kubernetes makes variables STRESS_… of such a service for every pod, which a run takes for settings that do not exist.
      name.startsWith('stress-') && '--name: expected a name that does not begin with stress-',
      formProblem('--namespace', namespace),
      httpAddressProblem(
        '--write-to',
        writeTo,
        'http://prometheus:9090/api/v1/write',
        'give K6_PROMETHEUS_RW_USERNAME and …_PASSWORD by --secret',
      ),
      imageProblem('--starter-image', starterImage),
      imageProblem('--kubectl-image', kubectlImage),
      formProblem('--cron', cron),
      formProblem('--cpu', cpu),
      formProblem('--memory', memory),
      cron !== undefined && namespace === undefined && '--cron: expected together with --namespace',
      cron !== undefined && kubectlImage === undefined && '--cron: expected together with --kubectl-image',
      cron === undefined && kubectlImage !== undefined && '--kubectl-image: expected together with --cron',
      (parallelism < 1 || parallelism > maxRunners) &&
        `--parallelism: expected a whole number from 1 to ${maxRunners}; received ${JSON.stringify(runners)}`,
    ),
    ...(parallelism >= 1 && isKnown && ofSettings.length === 0
      ? splitProblems(factsOrUnknown(scenario), asked, parallelism)
      : []),
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
    resources: { ...neededMiB(asked, parallelism, memory), cpu },
    skipInitializer: values['skip-initializer'] === true,
    cron: cron === undefined || kubectlImage === undefined ? undefined : { schedule: cron, kubectlImage },
  };
};

const renderCommand = declareCommand({
  description: `Writes manifests for the k6-operator to standard output: a ConfigMap with the scenario's bundle and a TestRun that runs it, or with --cron a CronJob that creates one at each due time. Apply them with kubectl apply --server-side -f -. Settings come from options only, not from the environment. --image is required.

Exit code: 0; 2 wrong options.`,
  arguments: [{ name: 'scenario', required: true, choices: scenarioNames }],
  options,
  settings: () => allSettings({ isFlagOnly: true }),
  groups: [group, ...settingGroups],
  takesK6Options: true,
  notDone: 'Nothing was rendered',
  examples: [
    `ws-stress k8s render concurrent --image grafana/k6:2.2.0 --parallelism 3 \\
  --vus 300 --url ws://my-service:8003/ws/mcp \\
  --write-to http://prometheus:9090/api/v1/write |
  kubectl apply --server-side -f -`,
  ],
  act: async (given) => {
    const asked = readAsked(given);
    if ('problems' in asked) return given.refuse(asked.problems);
    process.stdout.write(renderManifests(asked));
    return 0;
  },
});

export const k8sCommands: CommandGroup = {
  description: 'Runs tests on Kubernetes (docs/kubernetes.md).',
  commands: [
    { name: 'render', summary: 'write a test run of several pods for the k6-operator', load: () => renderCommand },
  ],
};
