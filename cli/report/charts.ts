import { leakDefaults } from '../../lib/memory/leak.ts';
import type { MemoryRecord, SamplesRecord } from '../../lib/results/record-schema.ts';
import { visible } from '../results/html.ts';
import { counted, roundTime } from '../../lib/text/quantities.ts';
import { medianOf } from '../results/statistics.ts';
import { unknown, type Chart, type Mark, type Series } from './chart.ts';
import type { Distribution, ReportData } from './gather.ts';
import { cumulative, leastCount, percentilesOf, type Histogram } from '../results/histogram.ts';
import { activeSessions, longerWidth, widened, type Step, type Timeline } from './timeline.ts';

/** Fewer of something are no reason for a chart of it. */
export const leastForChart = 5;
/** More steps than these could not be told apart in a chart. */
const mostSteps = 150;
const fewSteps = 24;
const maxClasses = 4;

const nameOf = (text: string, most = 60): string => visible(text, most);

/** A timeline in steps as long as `isFine` asks for, while enough of them are left. */
const coarser = (timeline: Timeline, isFine: (timeline: Timeline) => boolean, least = fewSteps): Timeline => {
  let now = timeline;
  for (;;) {
    const next = longerWidth(now.widthMs);
    const isLong = now.steps.length > mostSteps;
    if (!isLong && (isFine(now) || (now.steps.length * now.widthMs) / next < least)) return now;
    now = widened(now, next);
  }
};

const sumOf = (steps: readonly Step[], of: (step: Step) => number): number =>
  steps.reduce((sum, step) => sum + of(step), 0);

/** A number per second for each step. Of the last one only what the run filled counts, and nothing where that is little. */
const rates = ({ widthMs, steps }: Timeline, endMs: number, of: (step: Step) => number): (number | null)[] =>
  steps.map((step, at) => {
    const coveredMs = Math.min(widthMs, endMs - at * widthMs);
    return coveredMs < widthMs / 2 && at > 0 ? unknown : (of(step) * 1000) / Math.max(coveredMs, widthMs / 2);
  });

/** When a run ended, as all its charts over time have it. */
const endOf = ({ run, timeline: { steps, widthMs } }: ReportData): number =>
  Math.max(run.durationMs, (steps.length - 1) * widthMs);

const startsOf = ({ widthMs, steps }: Timeline): number[] => steps.map((_, at) => (at * widthMs) / 1000);

/** When the sessions of each scenario began, where there are several. */
const marksOf = ({ begins }: ReportData): Mark[] => {
  const firsts = new Map<string, number>();
  for (const { test, atMs } of begins) firsts.set(test, Math.min(firsts.get(test) ?? Infinity, atMs));
  if (firsts.size < 2) return [];
  return [...firsts]
    .toSorted(([, a], [, b]) => a - b)
    .map(([test, atMs]) => ({ x: Math.max(0, atMs) / 1000, name: nameOf(test, 24) }));
};

const known = ({ values }: Series): number => values.filter((value) => value !== unknown).length;

/** A percentile of times in each step; null where there are too few. */
const percentileSeries = (steps: readonly (Histogram | undefined)[]): Series[] => {
  const found = steps.map((times) => (times === undefined ? {} : percentilesOf(times)));
  const colours = { p50: 'c5', p95: 'c4', p99: 'c2' } as const;
  const series = (['p50', 'p95', 'p99'] as const).map((name): Series => {
    return { name, colour: colours[name], values: found.map((each) => each[name] ?? unknown) };
  });
  const shown = series.filter((each) => known(each) >= 2);
  if (shown.length > 2) return shown;
  const longest = steps.map((times) => (times === undefined || times.count === 0 ? unknown : times.max));
  return [...shown, { name: 'longest', colour: 'c1', values: longest, dash: [4, 3] }];
};

const percentileNote = `A percentile needs enough commands in a step: p50 ${leastCount.p50}, p95 ${leastCount.p95}, p99 ${leastCount.p99}.`;

const latencyCharts = ({ timeline, latencies }: ReportData, marks: Mark[]): Chart[] => {
  const counts = new Map<string, number>();
  for (const { of, times } of latencies) counts.set(of, (counts.get(of) ?? 0) + times.count);
  const classes = [...counts]
    .filter(([, count]) => count >= 4 * leastForChart)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, maxClasses);
  return classes.flatMap(([of]): Chart[] => {
    const inStep = (step: Step): number => step.latencies.get(of)?.count ?? 0;
    const isFine = ({ steps }: Timeline): boolean => {
      const filled = steps.map(inStep).filter((count) => count > 0);
      return filled.filter((count) => count >= leastCount.p95).length * 2 >= filled.length;
    };
    const line = coarser(timeline, isFine, 12);
    const series = percentileSeries(line.steps.map(({ latencies: times }) => times.get(of)));
    if (line.steps.filter((step) => inStep(step) > 0).length < 3) return [];
    return [
      {
        id: `latency-${classes.findIndex(([name]) => name === of)}`,
        title: `Time of ${nameOf(of, 30)} commands`,
        note: `From opening the connection, or from the request of a later command, to completion; in steps of ${roundTime(line.widthMs)}. ${percentileNote}`,
        xUnit: 'seconds',
        unit: 'ms',
        x: startsOf(line),
        series,
        marks,
      },
    ];
  });
};

const sessionCharts = (data: ReportData, marks: Mark[], endMs: number, isLive: boolean): Chart[] => {
  const { timeline, records } = data;
  const line = coarser(timeline, ({ steps }) => records.sessions / steps.length >= leastForChart);
  const { steps } = line;
  const common = { xUnit: 'seconds', x: startsOf(line), shape: 'steps', marks } as const;
  const each = `in steps of ${roundTime(line.widthMs)}`;
  const charts: Chart[] = [
    {
      ...common,
      id: 'active',
      title: 'Active sessions',
      note: `Sessions from opening the connection to its end, on average ${each}.${isLive ? ' Only sessions that have ended are known yet.' : ''}`,
      unit: 'count',
      series: [{ name: 'active', colour: 'c4', values: activeSessions(line), isArea: true }],
    },
    {
      ...common,
      id: 'rates',
      title: 'Sessions started and ended',
      note: `Per second, ${each}.`,
      unit: 'per second',
      series: [
        { name: 'started', colour: 'c4', values: rates(line, endMs, ({ started }) => started) },
        { name: 'ended', colour: 'c2', values: rates(line, endMs, ({ ended }) => ended), dash: [4, 3] },
      ],
    },
    outcomeChart(line, endMs, marks),
  ];
  if (sumOf(steps, ({ lines }) => lines) > 0)
    charts.push({
      ...common,
      id: 'lines',
      title: 'Lines of output received',
      note: `Per second, ${each}. Each command's lines are spread evenly from its first output to its completion.`,
      unit: 'per second',
      series: [{ name: 'lines', colour: 'c5', values: rates(line, endMs, ({ lines }) => lines), isArea: true }],
    });
  return charts;
};

const outcomeChart = (line: Timeline, endMs: number, marks: Mark[]): Chart => ({
  id: 'outcomes',
  title: 'Sessions succeeded and failed',
  note: `Per second, by when they ended, in steps of ${roundTime(line.widthMs)}. Sessions that a case expects to be refused are neither.`,
  xUnit: 'seconds',
  unit: 'per second',
  x: startsOf(line),
  shape: 'steps',
  series: [
    { name: 'succeeded', colour: 'c5', values: rates(line, endMs, ({ succeeded }) => succeeded), isArea: true },
    { name: 'failed', colour: 'fail', values: rates(line, endMs, ({ failed }) => failed), isArea: true },
  ],
  marks,
});

const withEnd = (charts: readonly Chart[], endMs: number): Chart[] =>
  charts.map((chart) => Object.assign(chart, { xEnd: endMs / 1000 }));

/** The charts of a run over time, as far as its records allow. */
export const timeCharts = (data: ReportData, isComplete: boolean, isLive = false): Chart[] => {
  const { timeline, records } = data;
  const marks = marksOf(data);
  const endMs = endOf(data);
  if (records.sessions < leastForChart) return [];
  if (!isComplete) {
    const chart = outcomeChart(
      coarser(timeline, () => true),
      endMs,
      marks,
    );
    const [, failed] = chart.series;
    return failed === undefined
      ? []
      : withEnd([{ ...chart, title: 'Failed sessions recorded', series: [failed] }], endMs);
  }
  const line = coarser(timeline, ({ steps }) => records.sessions / steps.length >= leastForChart);
  if (line.steps.length < 4) return withEnd(latencyCharts(data, marks), endMs);
  return withEnd([...sessionCharts(data, marks, endMs, isLive), ...latencyCharts(data, marks)], endMs);
};

/** Memory of the service over time, as cases watched it: known only while they did. */
const watchedMemory = ({ memory, begins }: ReportData): Pick<Chart, 'x' | 'series'> | undefined => {
  const points = memory.flatMap(({ test, case: name, samples }): [number, number][] => {
    const beganMs = begins.find((each) => each.test === test && each.case === name)?.atMs;
    return beganMs === undefined ? [] : samples.map(([ms, , size]) => [(ms + beganMs) / 1000, size]);
  });
  if (points.length < leastForChart) return undefined;
  const sorted = points.filter(([at]) => at >= 0).toSorted(([a], [b]) => a - b);
  return {
    x: sorted.map(([at]) => at),
    series: [{ name: 'service', colour: 'c3', values: sorted.map(([, size]) => size) }],
  };
};

/** What the machine of the generator showed over time, and the memory of the service. */
export const machineCharts = (samples: SamplesRecord | undefined, data: ReportData): Chart[] => {
  const runStartMs = Date.parse(data.run.startedAt);
  const endMs = endOf(data);
  const charts: Chart[] = [];
  const marks = marksOf(data);
  const watched = samples?.serviceBytes === undefined ? watchedMemory(data) : undefined;
  if (watched !== undefined)
    charts.push({
      ...watched,
      id: 'service-memory',
      title: 'Memory of the service',
      note: 'Resident memory while the memory scenario watched it; with --target-pid it is watched during the whole run.',
      xUnit: 'seconds',
      unit: 'bytes',
      isScaled: true,
      marks,
    });
  if (samples !== undefined && samples.atMs.length >= leastForChart) {
    const offsetMs = Date.parse(samples.startedAt) - runStartMs;
    const kept = samples.atMs
      .map((ms, index) => ({ at: (ms + offsetMs) / 1000, index }))
      .filter(({ at }) => at >= 0 && at <= endMs / 1000 + 1);
    const x = kept.map(({ at }) => at);
    const of = (values: readonly (number | null)[]): (number | null)[] =>
      kept.map(({ index }) => values[index] ?? unknown);
    const common = { xUnit: 'seconds', x, marks } as const;
    if (samples.serviceBytes !== undefined)
      charts.push({
        ...common,
        id: 'service-memory',
        title: 'Memory of the service',
        note: 'Resident memory of the process that --target-pid names.',
        unit: 'bytes',
        isScaled: true,
        series: [{ name: 'service', colour: 'c3', values: of(samples.serviceBytes) }],
      });
    charts.push(
      {
        ...common,
        id: 'generator-cpu',
        title: 'Processor use of the load generator',
        note: `k6, as a share of all ${counted(samples.cores, 'core')}. Above 90 % it may measure itself instead of the service.`,
        unit: 'share',
        atLeast: 1,
        series: [{ name: 'k6', colour: 'c1', values: of(samples.generatorShare), isArea: true }],
      },
      {
        ...common,
        id: 'generator-memory',
        title: 'Memory of the load generator',
        note: 'Resident memory of k6.',
        unit: 'bytes',
        series: [{ name: 'k6', colour: 'c6', values: of(samples.generatorBytes), isArea: true }],
      },
    );
  }
  return withEnd(charts, endMs);
};

/** Memory of the service as a case watched it, by sessions finished. */
export const memoryCharts = (memory: readonly MemoryRecord[]): Chart[] =>
  memory.flatMap(({ test, case: name, samples, slopeBytes }, at): Chart[] => {
    if (new Set(samples.map(([, sessions]) => sessions)).size < leastForChart) return [];
    const sorted = samples.toSorted(([, a], [, b]) => a - b);
    const x = sorted.map(([, sessions]) => sessions);
    const trend = slopeBytes === undefined ? undefined : trendOf(sorted, slopeBytes);
    return [
      {
        id: `memory-${at}`,
        title: `Memory of the service: ${nameOf(`${test} ${name}`, 50)}`,
        note: 'Resident memory by number of sessions finished.',
        xUnit: 'sessions',
        unit: 'bytes',
        isScaled: true,
        x,
        shape: 'dots',
        series: [
          { name: 'readings', colour: 'c4', values: sorted.map(([, , size]) => size) },
          ...(trend === undefined
            ? []
            : [{ name: 'trend', colour: 'c2' as const, values: trend, dash: [6, 4], isLine: true as const }]),
        ],
      },
    ];
  });

/** The line with the slope of the record through the median of the readings behind the warm-up, from which the slope was made. */
const trendOf = (samples: readonly (readonly [number, number, number])[], slopeBytes: number): (number | null)[] => {
  const counts = samples.map(([, sessions]) => sessions);
  const [first, last] = [Math.min(...counts), Math.max(...counts)];
  const judgedFrom = first + leakDefaults.warmUpShare * (last - first);
  const judged = samples.filter(([, sessions]) => sessions >= judgedFrom);
  const middle = medianOf(judged.map(([, sessions]) => sessions)) ?? 0;
  const height = medianOf(judged.map(([, , size]) => size)) ?? 0;
  return counts.map((sessions) => (sessions < judgedFrom ? unknown : height + (sessions - middle) * slopeBytes));
};

const mostBins = 40;

/** How often each time occurred: bars of equal width on a logarithmic axis, and where the percentiles are. */
const distributionChart = (id: string, title: string, things: string, times: Histogram): Chart | undefined => {
  if (times.count < 4 * leastForChart || times.max <= times.min) return undefined;
  const floorMs = 0.01;
  const [from, to] = [Math.log10(Math.max(times.min, floorMs)), Math.log10(Math.max(times.max, floorMs))];
  const bins = Math.max(1, Math.min(mostBins, Math.ceil((to - from) / 0.01), Math.ceil(Math.sqrt(times.count) * 2)));
  const size = (to - from) / bins;
  const shares = Array.from({ length: bins }, () => 0);
  let below = 0;
  for (const [value, upTo] of cumulative(times)) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((Math.log10(Math.max(value, floorMs)) - from) / size)));
    shares[bin] = (shares[bin] ?? 0) + upTo - below;
    below = upTo;
  }
  return {
    id,
    title,
    note: `${counted(times.count, things)}, exact to 1 %; the axis is logarithmic.`,
    xUnit: 'log-ms',
    unit: 'share',
    x: shares.map((_, at) => from + (at + 0.5) * size),
    shape: 'bars',
    series: [{ name: `share of ${things}s`, colour: 'c4', values: shares }],
    marks: Object.entries(percentilesOf(times)).map(([name, ms]) => ({ x: Math.log10(Math.max(ms, floorMs)), name })),
  };
};

const defined = (charts: readonly (Chart | undefined)[]): Chart[] => charts.filter((chart) => chart !== undefined);

/** How long commands took, by scenario and class. */
export const latencyDistributions = (latencies: readonly Distribution[]): Chart[] =>
  defined(
    latencies.map(({ test, of, times }, at) =>
      distributionChart(`distribution-${at}`, nameOf(`${test}: ${of} commands`), 'command', times),
    ),
  );

/** How long acknowledgements of controls took, by scenario and type. */
export const controlDistributions = (controls: readonly Distribution[]): Chart[] =>
  defined(
    controls.map(({ test, of, times }, at) =>
      distributionChart(`control-${at}`, nameOf(`${test}: ${of}`), 'control', times),
    ),
  );
