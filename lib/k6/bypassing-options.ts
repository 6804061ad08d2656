import { isObject } from '../jsonrpc/messages.ts';
import { metricsTable, type MetricRow } from '../load/metrics.ts';

const sameTexts = (value: unknown, texts: readonly string[]): boolean =>
  Array.isArray(value) && value.length === texts.length && texts.every((text) => value.includes(text));

/** Milliseconds or a text such as 0s, as k6 shows a duration. */
const isNone = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || value === 0 || value === '0s' || value === false;

/** The statistics of times from which figures and criteria are read. */
export const trendStats: readonly string[] = ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)'];

/**
 * Options by which k6's command line, environment or configuration file would change what a run does, reads or judges. `actual`
 * are those that k6 goes by; it writes them into the object that the bundle exports, too.
 */
export const bypassingOptions = (actual: Readonly<Record<string, unknown>>, insecure: boolean): string[] => {
  const tags = Object.keys(isObject(actual.tags) ? actual.tags : {});
  const ours = new Set(Object.values(metricsTable).flatMap((row: MetricRow) => row.tags));
  const taken = tags.filter((tag) => ours.has(tag));
  const systemTags = Array.isArray(actual.systemTags) ? (actual.systemTags as unknown[]) : [];
  const unsafeTags = ['ip', 'url', 'name'].filter((tag) => systemTags.includes(tag));
  const list: readonly [isWrong: boolean, problem: string][] = [
    [
      isNone(actual.insecureSkipTLSVerify) === insecure,
      `--insecure-skip-tls-verify, K6_INSECURE_SKIP_TLS_VERIFY: expected ${String(insecure)}, as STRESS_INSECURE says; received ${String(actual.insecureSkipTLSVerify)}`,
    ],
    [
      !sameTexts(actual.summaryTrendStats, trendStats),
      "--summary-trend-stats, K6_SUMMARY_TREND_STATS: expected the scenario's own, from which figures are read",
    ],
    [
      !isNone(actual.minIterationDuration),
      '--min-iteration-duration, K6_MIN_ITERATION_DURATION: expected none, for it changes the load',
    ],
    [!isNone(actual.rps), '--rps, K6_RPS: expected none, for it delays what the scenario reads over HTTP'],
    [!isNone(actual.httpDebug), '--http-debug, K6_HTTP_DEBUG: expected none, for it prints the token'],
    [
      unsafeTags.length > 0,
      `--system-tags, K6_SYSTEM_TAGS: expected none of ip, url and name; received ${unsafeTags.join(', ')}`,
    ],
    [taken.length > 0, `--tag, K6_TAGS: expected no tag that criteria use; received ${taken.join(', ')}`],
  ];
  return list.filter(([isWrong]) => isWrong).map(([, problem]) => problem);
};

/** Whether k6 judged thresholds, as far as its summary shows: the machine-readable one does not. */
export const knowsThresholds = (data: unknown): boolean =>
  !isObject(data) ||
  !isObject(data.metrics) ||
  Object.values(data.metrics).some((metric) => isObject(metric) && metric.thresholds !== undefined);
