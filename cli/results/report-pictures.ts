import { leakDefaults } from '../../lib/memory/leak.ts';
import { cumulative } from './histogram.ts';
import { visible } from './html.ts';
import type { Distribution, RoundBars, Timeline } from './report-data.ts';
import type { MemoryRecord } from '../../lib/results/record-schema.ts';
import { colour, type ReportColour } from './report-style.ts';
import type { PictureOption } from './report-draw.ts';
import { medianOf } from './statistics.ts';

/** A picture before it is drawn. */
export interface Picture {
  option: PictureOption;
  width: number;
  height: number;
}

/** The width of a picture that takes that of the page. */
export const wide = 960;
const half = 460;

/** The bound of the criteria that tell whether a simple command is fast enough. */
export const boundMs = 5000;

/** The colours of a session's phases, in their order. */
export const phaseColours: readonly ReportColour[] = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6'];

/** How the n-th curve of a picture looks. */
export const curveLook = (at: number): { colour: ReportColour; dash: readonly number[] } => ({
  colour: (['c4', 'c2', 'c5', 'c3', 'c1', 'fail'] as const)[at % 6] ?? 'c4',
  dash: ([[], [7, 3], [2, 3], [9, 3, 2, 3]] as const)[at % 4] ?? [],
});

/** The most curves of a picture that can be told apart. */
export const maxCurves = 6;

const text = (more: PictureOption = {}): PictureOption => ({ color: colour('quiet'), fontSize: 13, ...more });

const axis = (more: PictureOption): PictureOption => ({
  axisLine: { show: true, lineStyle: { color: colour('quiet') } },
  axisTick: { lineStyle: { color: colour('quiet') } },
  axisLabel: text({ hideOverlap: true }),
  splitLine: { lineStyle: { color: colour('line') } },
  nameTextStyle: text(),
  ...more,
});

const below = { nameLocation: 'middle', nameGap: 32 } as const;
// Beside the axis it would be on its side, and far from what it is about.
const above = {
  nameLocation: 'end',
  nameGap: 12,
  nameTextStyle: text({ align: 'left', padding: [0, 0, 0, -40] }),
} as const;

const lineOf = (name: ReportColour, width: number, dash: readonly number[], more: PictureOption): PictureOption => ({
  type: 'line',
  showSymbol: false,
  silent: true,
  lineStyle: { color: colour(name), width, type: dash.length > 0 ? dash : 'solid' },
  ...more,
});

const grid = (top: number, more: PictureOption = { bottom: 54 }): PictureOption => ({
  left: 64,
  right: 28,
  top,
  ...more,
});

const thousands = (value: number): string =>
  value >= 1e6
    ? `${Number((value / 1e6).toPrecision(3))} M`
    : value >= 1e4
      ? `${Number((value / 1e3).toPrecision(3))} k`
      : String(Number(value.toPrecision(3)));

const rectangle = (x: number, y: number, width: number, height: number): string =>
  `M${x.toFixed(1)} ${y.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h${(-width).toFixed(1)}z`;

interface Place {
  coord: (at: readonly number[]) => number[];
}

// One path a phase: a picture of 300 sessions stays small.
const layer = (fill: string, path: (place: Place) => string): PictureOption => ({
  type: 'custom',
  silent: true,
  data: [[0, 0]],
  renderItem: (_: unknown, place: Place) => ({ type: 'path', shape: { pathData: path(place) }, style: { fill } }),
});

/** Every session of a round as a bar, from the begin of its connection to its end, with its phases. */
export const barsPicture = ({ bars, beganAtMs, endedMs }: RoundBars): Picture => {
  const rowHeight = Math.min(18, Math.max(2, 420 / bars.length));
  const margin = rowHeight > 4 ? 2 : 0;
  const [top, bottom] = [34, 52];
  const inSeconds = endedMs >= 10_000;
  const unit = inSeconds ? 1000 : 1;
  const row = (at: number, place: Place): number => (place.coord([0, at])[1] ?? 0) - rowHeight / 2 + margin / 2;
  const x = (ms: number, place: Place): number => place.coord([ms / unit, 0])[0] ?? 0;
  const phases = phaseColours.map((name, phase) =>
    layer(colour(name), (place) =>
      bars
        .map(({ startedAtMs, ends }, at) => {
          const end = ends[phase];
          const begin = phase === 0 ? 0 : (ends[phase - 1] ?? 0);
          if (end === undefined || end <= begin) return '';
          const left = x(startedAtMs - beganAtMs + begin, place);
          return rectangle(
            left,
            row(at, place),
            Math.max(0.4, x(startedAtMs - beganAtMs + end, place) - left),
            rowHeight - margin,
          );
        })
        .join(''),
    ),
  );
  const failed = layer(colour('fail'), (place) =>
    bars
      .map(({ startedAtMs, ends, isFailed }, at) =>
        isFailed
          ? rectangle(x(startedAtMs - beganAtMs + (ends.at(-1) ?? 0), place), row(at, place), 5, rowHeight - margin)
          : '',
      )
      .join(''),
  );
  return {
    width: wide,
    height: Math.round(top + bottom + rowHeight * bars.length),
    option: {
      grid: grid(top, { height: rowHeight * bars.length }),
      xAxis: axis({
        type: 'value',
        name: `time since the round began, ${inSeconds ? 's' : 'ms'}`,
        min: 0,
        max: Math.max(endedMs / unit, 1e-3) * 1.01,
        ...below,
        axisLabel: text({ showMaxLabel: false }),
      }),
      yAxis: axis({
        type: 'category',
        inverse: true,
        data: bars.map(({ session }) => String(session)),
        name: 'session',
        splitLine: { show: false },
        ...above,
        nameLocation: 'start',
      }),
      series: [...phases, failed],
    },
  };
};

const timeLabel = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);

const decade = (ms: number, round: (exponent: number) => number): number => 10 ** round(Math.log10(Math.max(ms, 0.01)));

/** The share of times up to each time, a curve for each of a few distributions, with the bound where it is one. */
export const distributionPicture = (distributions: readonly Distribution[], name: string, bound?: number): Picture => {
  const shown = distributions.slice(0, maxCurves);
  const least = Math.min(...shown.map(({ times }) => times.min));
  const most = Math.max(bound ?? 0, ...shown.map(({ times }) => times.max));
  const from = decade(least * 0.8, Math.floor);
  const to = Math.max(decade(most, Math.ceil), from * 10);
  const markLine = {
    symbol: 'none',
    silent: true,
    lineStyle: { color: colour('fail'), width: 1.5, type: [4, 4] },
    label: text({ color: colour('bad'), formatter: timeLabel(bound ?? 0) }),
    data: [{ xAxis: bound }],
  };
  const series = shown.map(({ times }, at) => {
    const look = curveLook(at);
    const data = [[from, 0], ...curve(cumulative(times), times.min, from), [to, 100]];
    return lineOf(look.colour, 2.2, look.dash, {
      step: 'end',
      data,
      ...(bound !== undefined && at === 0 && { markLine }),
    });
  });
  return {
    width: half,
    height: 280,
    option: {
      grid: grid(34),
      xAxis: axis({
        type: 'log',
        name,
        min: from,
        max: to,
        ...below,
        axisLabel: text({
          hideOverlap: true,
          formatter: (value: number) => timeLabel(Number(value.toPrecision(3))),
        }),
      }),
      yAxis: axis({ type: 'value', name: 'share of them, %', min: 0, max: 100, ...above }),
      series,
    },
  };
};

/** A curve of a few hundred points at most: closer ones would be one. */
const curve = (points: readonly [value: number, share: number][], min: number, from: number): [number, number][] => {
  const kept: [number, number][] = [[Math.max(min, from), 0]];
  for (const [value, share] of points)
    if (share === 1 || share * 100 - (kept.at(-1)?.[1] ?? 0) >= 0.25) kept.push([Math.max(value, from), share * 100]);
  return kept;
};

/** Sessions and lines a second over the run, one above the other. */
export const timelinePicture = ({ widthMs, sessions, lines }: Timeline): Picture => {
  const perSecond = (counts: readonly number[]): [number, number][] => {
    const rates = counts.map((count, at): [number, number] => [(at * widthMs) / 1000, (count * 1000) / widthMs]);
    return [...rates, [(counts.length * widthMs) / 1000, rates.at(-1)?.[1] ?? 0]];
  };
  const endSeconds = (sessions.length * widthMs) / 1000;
  const panels = [
    { name: 'sessions that ended, a second', data: perSecond(sessions), of: 'c4' as const, top: 34 },
    { name: 'lines received, a second', data: perSecond(lines), of: 'c5' as const, top: 222 },
  ];
  return {
    width: wide,
    height: 410,
    option: {
      grid: panels.map(({ top }) => grid(top, { height: 132 })),
      xAxis: panels.map((_, at) =>
        axis({
          gridIndex: at,
          type: 'value',
          min: 0,
          max: endSeconds,
          splitLine: { show: false },
          axisLabel: text({ showMaxLabel: endSeconds < 10 }),
          ...(at === 1 && { name: 'time since the run began, s', ...below }),
        }),
      ),
      yAxis: panels.map(({ name }, at) =>
        axis({
          gridIndex: at,
          type: 'value',
          min: 0,
          name,
          splitNumber: 3,
          ...above,
          axisLabel: text({ formatter: thousands }),
        }),
      ),
      series: panels.map(({ data, of }, at) =>
        lineOf(of, 1.5, [], {
          xAxisIndex: at,
          yAxisIndex: at,
          step: 'end',
          data,
          areaStyle: { color: colour(of), opacity: 0.3 },
        }),
      ),
    },
  };
};

const mebibyte = 2 ** 20;

/** The service's memory by sessions finished, with the slope through the middle of its readings where there is one. */
export const memoryPicture = ({ samples, slopeBytes }: MemoryRecord): Picture => {
  const points = samples.map(([, sessions, bytes]) => [sessions, bytes / mebibyte] as const);
  const counts = points.map(([sessions]) => sessions);
  const [first, last] = [Math.min(...counts), Math.max(...counts)];
  // The slope is of what is behind the warm-up; before it, it would tell of what it was not made of.
  const judgedFrom = first + leakDefaults.warmUpShare * (last - first);
  const judged = points.filter(([sessions]) => sessions >= judgedFrom);
  const middle = [
    medianOf(judged.map(([sessions]) => sessions)) ?? 0,
    medianOf(judged.map(([, size]) => size)) ?? 0,
  ] as const;
  const at = (sessions: number): [number, number] => [
    sessions,
    middle[1] + ((sessions - middle[0]) * (slopeBytes ?? 0)) / mebibyte,
  ];
  return {
    width: wide,
    height: 330,
    option: {
      grid: grid(34),
      xAxis: axis({ type: 'value', min: 0, name: 'sessions finished', ...below }),
      yAxis: axis({ type: 'value', scale: true, name: 'resident memory, MiB', ...above }),
      series: [
        { type: 'scatter', symbolSize: 5, silent: true, itemStyle: { color: colour('c4') }, data: points },
        ...(slopeBytes === undefined ? [] : [lineOf('c2', 2.5, [7, 4], { data: [at(judgedFrom), at(last)] })]),
      ],
    },
  };
};

/** What names a distribution, as text. */
export const nameOf = ({ test, of, round }: Distribution): string =>
  visible(`${test} ${of}${round === undefined ? '' : `, round ${round}`}`, 120);
