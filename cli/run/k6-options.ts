/** An option of `k6 run`: its names, what it does to a run, and whether it is kept from k6. */
export interface K6Option {
  flag?: `--${string}`;
  short?: string;
  /** It takes a value, with `=` or as the next argument; otherwise it is a switch. */
  takes?: true;
  variable?: `K6_${string}`;
  effect: string;
  /** Kept from k6: why, or what to use in its place. Without it the option is passed on. */
  guard?: string;
  /** Of a switch that is guarded: the value that changes nothing, or the setting that has it. Default: false. */
  harmless?: 'true' | 'false' | 'STRESS_INSECURE';
}

const reading = 'the product reads these answers itself';
const figures = 'the figures and the verdict are read from the summary as it is';

/** Every option of `k6 run` and every variable of k6 that changes what is run, read or judged. */
export const k6Options: readonly K6Option[] = [
  {
    flag: '--no-thresholds',
    variable: 'K6_NO_THRESHOLDS',
    effect: 'k6 judges no criterion',
    guard: 'a run without criteria could not be judged',
  },
  {
    variable: 'K6_THRESHOLDS',
    effect: 'Replaces the criteria',
    guard: 'criteria come from thresholds.json or --thresholds',
  },
  {
    flag: '--no-setup',
    variable: 'K6_NO_SETUP',
    effect: 'Skips the set-up, which checks the service and the options',
    guard: 'set-up checks the service before it puts load on it',
  },
  {
    flag: '--include-system-env-vars',
    variable: 'K6_INCLUDE_SYSTEM_ENV_VARS',
    effect: 'Off: the scenario sees no environment',
    guard: 'settings reach the scenario by the environment',
    harmless: 'true',
  },
  {
    flag: '--discard-response-bodies',
    variable: 'K6_DISCARD_RESPONSE_BODIES',
    effect: 'Empties the answers to HTTP requests',
    guard: reading,
  },
  {
    flag: '--insecure-skip-tls-verify',
    variable: 'K6_INSECURE_SKIP_TLS_VERIFY',
    effect: 'Whether TLS certificates are verified',
    guard: '--insecure decides it',
    harmless: 'STRESS_INSECURE',
  },
  {
    flag: '--summary-mode',
    takes: true,
    variable: 'K6_SUMMARY_MODE',
    effect: 'disabled: there is no summary',
    guard: figures,
  },
  { flag: '--no-summary', variable: 'K6_NO_SUMMARY', effect: 'There is no summary (older k6)', guard: figures },
  {
    flag: '--summary-trend-stats',
    takes: true,
    variable: 'K6_SUMMARY_TREND_STATS',
    effect: 'Which statistics of times there are',
    guard: figures,
  },
  {
    flag: '--new-machine-readable-summary',
    variable: 'K6_NEW_MACHINE_READABLE_SUMMARY',
    effect: 'Another form of the summary',
    guard: figures,
  },
  {
    flag: '--throw',
    short: '-w',
    variable: 'K6_THROW',
    effect: 'Failed requests become exceptions of the script',
    guard: 'what fails is recorded as an outcome',
  },
  {
    flag: '--min-iteration-duration',
    takes: true,
    variable: 'K6_MIN_ITERATION_DURATION',
    effect: 'Sessions follow one another more slowly',
    guard: 'the load would not be the one that the settings ask for',
  },
  { flag: '--rps', takes: true, variable: 'K6_RPS', effect: 'Delays HTTP requests', guard: reading },
  {
    flag: '--system-tags',
    takes: true,
    variable: 'K6_SYSTEM_TAGS',
    effect: "k6's own tags of samples",
    guard: 'url may hold a secret, and k6 panics with ip when a connection is refused',
  },
  {
    flag: '--http-debug',
    variable: 'K6_HTTP_DEBUG',
    effect: 'Prints HTTP requests',
    guard: 'their headers hold the token; --trace failures shows messages',
  },
  {
    flag: '--paused',
    short: '-p',
    variable: 'K6_PAUSED',
    effect: 'The run does not start',
    guard: 'k6 2 has no way to resume a run',
  },
  {
    flag: '--linger',
    short: '-l',
    variable: 'K6_LINGER',
    effect: 'k6 does not end after the run',
    guard: 'the results are written when k6 has ended',
  },
  {
    flag: '--type',
    short: '-t',
    takes: true,
    variable: 'K6_TYPE',
    effect: 'Reads the script as an archive',
    guard: 'the scenario is a script',
  },
  {
    variable: 'K6_CONSOLE_OUTPUT',
    effect: 'Where records go',
    guard: "records go into the run's folder; give --console-output after -- to have them elsewhere",
  },
  {
    variable: 'K6_LOG_FORMAT',
    effect: 'The form of records and of what k6 reports',
    guard: 'records are lines of JSON; give --log-format after -- to have them in another form',
  },
  { flag: '--console-output', takes: true, effect: 'Records go there; causes and report lack them' },
  { flag: '--log-format', takes: true, effect: 'The form of records; causes and report lack them' },
  {
    flag: '--log-output',
    takes: true,
    variable: 'K6_LOG_OUTPUT',
    effect: 'Where reports of k6 go, and records if typed',
  },
  {
    flag: '--vus',
    short: '-u',
    takes: true,
    variable: 'K6_VUS',
    effect: "Replaces the load (docs/settings.md, Use k6's own options)",
  },
  { flag: '--duration', short: '-d', takes: true, variable: 'K6_DURATION', effect: 'The same' },
  { flag: '--iterations', short: '-i', takes: true, variable: 'K6_ITERATIONS', effect: 'The same' },
  { flag: '--stage', short: '-s', takes: true, variable: 'K6_STAGES', effect: 'The same' },
  {
    flag: '--execution-segment',
    takes: true,
    variable: 'K6_EXECUTION_SEGMENT',
    effect: 'Runs a part of the load; the run record is of this part',
  },
  { flag: '--execution-segment-sequence', takes: true, variable: 'K6_EXECUTION_SEGMENT_SEQUENCE', effect: 'The same' },
  {
    flag: '--env',
    short: '-e',
    takes: true,
    effect: 'A STRESS_ variable is a setting and takes precedence over its flag; others reach the scenario',
  },
  {
    flag: '--tag',
    takes: true,
    variable: 'K6_TAGS',
    effect: 'Adds a tag to all samples; one of the names that criteria use is refused by the scenario',
  },
  { flag: '--out', short: '-o', takes: true, variable: 'K6_OUT', effect: 'Sends samples elsewhere too' },
  {
    flag: '--config',
    short: '-c',
    takes: true,
    variable: 'K6_CONFIG',
    effect:
      "Reads k6's options from a file; the scenario's own take precedence, and those that would change the verdict are refused",
  },
  { flag: '--secret-source', takes: true, variable: 'K6_SECRET_SOURCE', effect: 'No effect on a scenario' },
  {
    flag: '--blacklist-ip',
    takes: true,
    variable: 'K6_BLACKLIST_IPS',
    effect: 'Connections there fail; the run is NOT RUN if the service is among them',
  },
  { flag: '--block-hostnames', takes: true, variable: 'K6_BLOCK_HOSTNAMES', effect: 'The same' },
  { variable: 'K6_HOSTS', effect: 'Which addresses names have' },
  { flag: '--dns', takes: true, variable: 'K6_DNS', effect: 'How names are resolved' },
  { flag: '--local-ips', takes: true, variable: 'K6_LOCAL_IPS', effect: 'From which addresses k6 connects' },
  { variable: 'K6_TLSAUTH', effect: 'Client certificates' },
  { variable: 'K6_TLS_CIPHER_SUITES', effect: 'Which cipher suites TLS may use' },
  { flag: '--user-agent', takes: true, variable: 'K6_USER_AGENT', effect: 'The User-Agent header' },
  { flag: '--max-redirects', takes: true, variable: 'K6_MAX_REDIRECTS', effect: 'None: redirects are never followed' },
  {
    flag: '--no-connection-reuse',
    variable: 'K6_NO_CONNECTION_REUSE',
    effect: 'A new connection for each HTTP request',
  },
  { flag: '--no-vu-connection-reuse', variable: 'K6_NO_VU_CONNECTION_REUSE', effect: 'The same, between sessions' },
  { flag: '--batch', takes: true, variable: 'K6_BATCH', effect: 'None' },
  { flag: '--batch-per-host', takes: true, variable: 'K6_BATCH_PER_HOST', effect: 'None' },
  { flag: '--no-teardown', variable: 'K6_NO_TEARDOWN', effect: 'None: scenarios have no teardown' },
  { variable: 'K6_SETUP_TIMEOUT', effect: 'How long set-up may take' },
  { variable: 'K6_HANDLE_SUMMARY_TIMEOUT', effect: 'How long the summary may take; without one the run is INVALID' },
  {
    flag: '--summary-time-unit',
    takes: true,
    variable: 'K6_SUMMARY_TIME_UNIT',
    effect: "None: the summary is the scenario's",
  },
  { flag: '--summary-export', takes: true, variable: 'K6_SUMMARY_EXPORT', effect: "Writes k6's own summary to a file" },
  { flag: '--traces-output', takes: true, variable: 'K6_TRACES_OUTPUT', effect: "Sends k6's traces elsewhere" },
  { flag: '--compatibility-mode', takes: true, variable: 'K6_COMPATIBILITY_MODE', effect: 'None' },
  { flag: '--features', takes: true, variable: 'K6_FEATURES', effect: "Turns on k6's experimental features" },
  {
    flag: '--address',
    short: '-a',
    takes: true,
    variable: 'K6_ADDRESS',
    effect: "Serves k6's REST API; a run that is stopped by it is INVALID",
  },
  { flag: '--profiling-enabled', variable: 'K6_PROFILING_ENABLED', effect: 'Serves profiles of k6' },
  { flag: '--quiet', short: '-q', effect: 'No progress' },
  { flag: '--verbose', short: '-v', effect: 'k6 reports more' },
  { flag: '--no-color', variable: 'K6_NO_COLOR', effect: 'No colours' },
  { flag: '--no-usage-report', variable: 'K6_NO_USAGE_REPORT', effect: 'None: ws-stress sets it' },
  { variable: 'K6_AUTO_EXTENSION_RESOLUTION', effect: 'None: ws-stress turns it off' },
  { flag: '--help', short: '-h', effect: "Prints k6's help; nothing is run" },
];

/** An option as it was typed for k6. */
interface Typed {
  option: K6Option | undefined;
  /** As in `--vus`. */
  name: string;
  value: string | undefined;
  /** The arguments that it consists of. */
  args: string[];
}

/** Reads arguments as k6 does: `--flag=value`, `--flag value`, `-f value`, `-fvalue`, `-f=value` and switches in one (`-qw`). */
const typedOptions = (args: readonly string[]): Typed[] => {
  const typed: Typed[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    const [, flag, value] = /^(--[^=]+)(?:=([^]*))?$/.exec(arg) ?? [];
    if (flag !== undefined) {
      const option = k6Options.find((each) => each.flag === flag);
      const takesNext = option?.takes === true && value === undefined && at + 1 < args.length;
      typed.push({
        option,
        name: flag,
        value: takesNext ? args[at + 1] : value,
        args: args.slice(at, at + (takesNext ? 2 : 1)),
      });
      if (takesNext) at++;
    } else if (/^-[a-z]/i.test(arg)) {
      at += readShort(arg, args[at + 1], typed);
    } else {
      typed.push({ option: undefined, name: arg, value: undefined, args: [arg] });
    }
  }
  return typed;
};

/** Reads short options in one argument; returns how many of the next arguments belong to it. */
const readShort = (arg: string, next: string | undefined, typed: Typed[]): number => {
  for (let at = 1; at < arg.length; at++) {
    const name = `-${arg.charAt(at)}`;
    const option = k6Options.find(({ short }) => short === name);
    const rest = arg.slice(at + 1);
    if (option?.takes === true) {
      const takesNext = rest === '' && next !== undefined;
      typed.push({
        option,
        name,
        value: takesNext ? next : rest.replace(/^=/, ''),
        args: [`${name}${rest}`, ...(takesNext ? [next] : [])],
      });
      return takesNext ? 1 : 0;
    }
    const isSet = rest.startsWith('=');
    typed.push({ option, name, value: isSet ? rest.slice(1) : undefined, args: [isSet ? `${name}${rest}` : name] });
    if (isSet) return 0;
  }
  return 0;
};

/** As k6 reads a switch (Go's strconv.ParseBool). */
const switchValue = (text: string): 'true' | 'false' | undefined =>
  /^(1|t|T|TRUE|true|True)$/.test(text) ? 'true' : /^(0|f|F|FALSE|false|False)$/.test(text) ? 'false' : undefined;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a guarded option has the value that the product would give it. */
const isHarmless = ({ takes, harmless = 'false' }: K6Option, value: string, settings: Environment): boolean => {
  if (takes === true) return false;
  const wanted = harmless === 'STRESS_INSECURE' ? (settings.STRESS_INSECURE === 'true' ? 'true' : 'false') : harmless;
  return switchValue(value) === wanted;
};

/** What is wrong with the options that were typed for k6. */
export const k6OptionProblems = (args: readonly string[], settings: Environment = {}): string[] =>
  typedOptions(args).flatMap(({ option, name, value }) =>
    option?.guard === undefined || isHarmless(option, value ?? 'true', settings)
      ? []
      : [`${name}${value === undefined || option.takes === true ? '' : `=${value}`}: ${option.guard}`],
  );

/** The settings among what was typed for k6 (`-e STRESS_…=…`), and the other arguments. */
export const settingsTyped = (args: readonly string[]): { settings: Record<string, string>; others: string[] } => {
  const settings: Record<string, string> = {};
  const others: string[] = [];
  for (const { option, value = '', args: own } of typedOptions(args)) {
    const [, name, text] = (option?.flag === '--env' && /^(STRESS_[^=]*)=([^]*)$/.exec(value)) || [];
    if (name !== undefined && text !== undefined) settings[name] = text;
    else others.push(...own);
  }
  return { settings, others };
};

/** An environment without the variables that would bypass the product, and a warning for each that it had. */
export const guardedEnvironment = (env: NodeJS.ProcessEnv): { env: NodeJS.ProcessEnv; warnings: string[] } => {
  const guarded = { ...env };
  const warnings: string[] = [];
  for (const option of k6Options) {
    const { variable, guard } = option;
    const value = variable === undefined ? undefined : env[variable];
    if (variable === undefined || guard === undefined || !value) continue;
    delete guarded[variable];
    if (!isHarmless(option, value, env)) warnings.push(`${variable}: it is ignored, because ${guard}`);
  }
  return { env: guarded, warnings };
};

/** What ws-stress gives to k6 whatever a configuration file says. */
export const ownArguments: readonly string[] = ['--linger=false', '--paused=false'];
