import { isObject } from '../jsonrpc/messages.ts';
import type { MetricValues, Metrics } from './verdict.ts';

const numbers = (value: unknown): Record<string, number> => {
  const result: Record<string, number> = {};
  for (const [name, each] of Object.entries(isObject(value) ? value : {})) {
    if (typeof each === 'number') result[name.replace(/^p(\d+)$/, 'p($1)')] = each;
  }
  // The machine-readable summary of k6 counts a rate as `matches` of `total`.
  const { matches, total } = result;
  return matches === undefined ? result : { ...result, passes: matches, fails: (total ?? matches) - matches };
};

/** k6's summary data, in its classic or its machine-readable shape, as metrics by selector. */
export const metricsOf = (data: unknown): Metrics => {
  if (!isObject(data)) return {};
  const metrics: Record<string, MetricValues> = {};
  if (isObject(data.results) && Array.isArray(data.results.metrics)) {
    // Its values are objects of Go that only look like numbers, until they have been through JSON.
    for (const metric of JSON.parse(JSON.stringify(data.results.metrics)) as { name: string; values: unknown }[]) {
      metrics[metric.name] = { values: numbers(metric.values) };
    }
    return metrics;
  }
  for (const [name, metric] of Object.entries(isObject(data.metrics) ? data.metrics : {})) {
    if (!isObject(metric)) continue;
    const held: Record<string, boolean> = {};
    for (const [expression, threshold] of Object.entries(isObject(metric.thresholds) ? metric.thresholds : {})) {
      held[expression] = isObject(threshold) && threshold.ok === true;
    }
    metrics[name] = { values: numbers(metric.values), held };
  }
  return metrics;
};
