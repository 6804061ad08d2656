import { evenly } from '../../lib/results/memory-record.ts';
import { markup, Markup, visible, type Content } from '../results/html.ts';
import { labels, reach, shown, ticksOf, unknown, width as widthOf, type Chart, type Series } from './chart.ts';
import { phaseNames, type RoundSessions } from './gather.ts';
import { colour, reportColours, type ReportColour } from './style.ts';

const fontSize = 11;

/** A path, made of numbers alone, however long it is. */
const path = (d: string): Markup => new Markup(d);

/** Coordinates to a tenth: more would only make the page larger. */
const at = (value: number): string => String(Math.round(value * 10) / 10);

const picture = (width: number, height: number, alt: string, content: Content): Markup =>
  markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${alt}" font-size="${fontSize}">${content}</svg>`;

const text = (x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end' = 'middle'): Markup =>
  markup`<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill="${colour('quiet')}">${content}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, name: ReportColour, dash?: string): Markup =>
  markup`<path d="M${at(x1)} ${at(y1)}L${at(x2)} ${at(y2)}" stroke="${colour(name)}"${dash !== undefined && markup` stroke-dasharray="${dash}"`} />`;

const size = { width: 440, height: 190 };
const frame = { left: 52, right: 12, top: 12, bottom: 24 };

/** Where values are in a picture. */
interface Place {
  x: (value: number) => number;
  y: (value: number) => number;
  base: number;
}

/** Runs of points without a gap. */
const runsOf = (x: readonly number[], values: Series['values']): (readonly [number, number])[][] => {
  const runs: (readonly [number, number])[][] = [];
  let run: (readonly [number, number])[] | undefined;
  for (const [index, value] of values.entries()) {
    if (value === unknown) {
      run = undefined;
      continue;
    }
    if (run === undefined) runs.push((run = []));
    run.push([x[index] ?? 0, value]);
  }
  return runs;
};

const lineOf = (points: Points, place: Place): string =>
  points.map(([x, y]) => `${at(place.x(x))} ${at(place.y(y))}`).join('L');

type Points = readonly (readonly [number, number])[];

const dotsOf = (runs: readonly Points[], place: Place): string =>
  runs.flatMap((run) => run.map(([x, y]) => `M${at(place.x(x))} ${at(place.y(y))}h0`)).join('');

const areaOf = (points: Points, place: Place): string =>
  `M${at(place.x(points[0]?.[0] ?? 0))} ${at(place.base)}L${lineOf(points, place)}V${at(place.base)}z`;

/** Every step of a series is as long as it is until the next x; the last as long as the one before. */
const stepped = (points: Points, length: number): (readonly [number, number])[] =>
  points.flatMap(([x, y]) => [[x, y] as const, [x + length, y] as const]);

const drawnSeries = (chart: Chart, { values, colour: name, isArea, isLine, dash }: Series, place: Place): Content => {
  const { x } = chart;
  const shape = isLine === true ? undefined : chart.shape;
  const length = x.length > 1 ? (x[1] ?? 0) - (x[0] ?? 0) : 0;
  const runs = runsOf(x, values);
  if (shape === 'dots')
    return markup`<path d="${path(dotsOf(runs, place))}" stroke="${colour(name)}" stroke-width="4" stroke-linecap="round" />`;
  if (shape === 'bars') {
    const half = length * 0.44;
    const bars = runs.flatMap((run) =>
      run
        .filter(([, value]) => value > 0)
        .map(
          ([px, value]) =>
            `M${at(place.x(px - half))} ${at(place.base)}V${at(place.y(value))}H${at(place.x(px + half))}V${at(place.base)}z`,
        ),
    );
    return markup`<path d="${path(bars.join(''))}" fill="${colour(name)}" />`;
  }
  const lines = runs.map((run) => (shape === 'steps' ? stepped(run, length) : run));
  const area =
    isArea === true &&
    markup`<path d="${path(lines.map((run) => areaOf(run, place)).join(''))}" fill="${colour(name)}" fill-opacity="0.16" />`;
  // A point by itself has no line.
  const lonely = lines.filter(({ length: points }) => points === 1);
  return [
    area,
    markup`<path d="${path(lines.map((run) => `M${lineOf(run, place)}`).join(''))}" fill="none" stroke="${colour(name)}" stroke-width="1.6" stroke-linejoin="round"${dash !== undefined && markup` stroke-dasharray="${dash.join(' ')}"`} />`,
    lonely.length > 0 &&
      markup`<path d="${path(dotsOf(lonely, place))}" stroke="${colour(name)}" stroke-width="4" stroke-linecap="round" />`,
  ];
};

/** Names of marks that don't run into each other. */
const marksOf = ({ marks = [] }: Chart, place: Place): Content => {
  let free = -Infinity;
  return marks.map(({ x, name }) => {
    const left = place.x(x);
    const shownName = visible(name, 24);
    const needed = shownName.length * fontSize * 0.55;
    const isNamed = left >= free && left + needed < size.width;
    if (isNamed) free = left + needed + 8;
    return [
      line(left, frame.top, left, size.height - frame.bottom, 'quiet', '2 3'),
      isNamed && text(left + 3, frame.top + 9, shownName, 'start'),
    ];
  });
};

/** A chart's series in words, for who does not see it. */
const altOf = ({ title, series, unit }: Chart): string =>
  `${title}. ${series
    .map(({ name, values }) => {
      const known = values.filter((value) => value !== unknown);
      return known.length === 0
        ? `${name}: nothing`
        : `${name}: ${shown(Math.min(...known), unit)} to ${shown(Math.max(...known), unit)}`;
    })
    .join('; ')}.`;

const named = (ticks: readonly number[], unit: Chart['unit']): (readonly [value: number, name: string])[] => {
  const names = labels(ticks, unit);
  return ticks.map((value, index) => [value, names[index] ?? ''] as const);
};

const drawnChart = (chart: Chart, width: number): Content => {
  const [x0, x1] = widthOf(chart);
  const [y0, y1] = reach(chart);
  const { left, right, top, bottom } = frame;
  const base = size.height - bottom;
  const place: Place = {
    x: (value) => left + ((value - x0) / (x1 - x0)) * (width - left - right),
    y: (value) => base - ((value - y0) / (y1 - y0)) * (base - top),
    base,
  };
  const { xNames } = chart;
  const ticks =
    xNames === undefined
      ? named(ticksOf(x0, x1, chart.xUnit, 6), chart.xUnit)
      : evenly(
          xNames.map((name, index) => [chart.x[index] ?? 0, name] as const),
          6,
        );
  return [
    named(ticksOf(y0, y1, chart.unit, 4), chart.unit).map(([value, name]) => [
      line(left, place.y(value), width - right, place.y(value), 'line'),
      text(left - 6, place.y(value) + 4, name, 'end'),
    ]),
    ticks.map(([value, name]) =>
      text(place.x(value), size.height - 8, name, place.x(value) > width - 40 ? 'end' : 'middle'),
    ),
    chart.series.map((each) => drawnSeries(chart, each, place)),
    marksOf(chart, place),
  ];
};

/** A chart as it is drawn without a script. */
export const chartPicture = (chart: Chart): Markup =>
  picture(size.width, size.height, altOf(chart), drawnChart(chart, size.width));

/** Charts one below the other, as a document of SVG that needs nothing else; on a light ground. */
export const chartDocument = (charts: readonly Chart[], width = 900): string => {
  const [titleHeight, height] = [30, size.height];
  const whole = (titleHeight + height) * charts.length + 10;
  return markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${whole}" width="${width}" height="${whole}" font-family="system-ui, sans-serif" font-size="${fontSize}" fill="none">
<rect width="${width}" height="${whole}" fill="${colour('page')}" />
${charts.map(
  (
    chart,
    index,
  ) => markup`<text x="12" y="${index * (titleHeight + height) + 22}" font-size="14" font-weight="600" fill="${colour('text')}">${chart.title}</text>
<g transform="translate(0 ${index * (titleHeight + height) + titleHeight})">${drawnChart(chart, width)}</g>
`,
)}</svg>
`.text.replaceAll(/var\(--(\w+)\)/g, (_, name: ReportColour) => reportColours.light[name]);
};

/** The colours of a session's phases, in their order. */
export const phaseColours: readonly ReportColour[] = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6'];

const barWidth = 720;
const rowHeight = 17;

/** Every session of a round as a bar, from the begin of its connection to its end, with its phases. */
export const barsPicture = ({ test, round, bars, beganAtMs, endedMs, sessions, failed }: RoundSessions): Markup => {
  const [left, right, top, bottom] = [170, 12, 6, 24];
  const height = top + bottom + rowHeight * bars.length;
  const isInSeconds = endedMs >= 2000;
  const unit = isInSeconds ? 'seconds' : 'ms';
  const most = Math.max(endedMs, 1) / (isInSeconds ? 1000 : 1);
  const x = (ms: number): number => left + (ms / Math.max(endedMs, 1)) * (barWidth - left - right);
  const box = (from: number, to: number, y: number): string =>
    `M${at(from)} ${at(y)}h${at(Math.max(0.5, to - from))}v${rowHeight - 5}h${at(-Math.max(0.5, to - from))}z`;
  const phases = phaseColours.map((name, phase) => {
    const d = bars
      .map(({ startedAtMs, ends }, row) => {
        const [begin, end] = [phase === 0 ? 0 : (ends[phase - 1] ?? 0), ends[phase]];
        if (end === undefined || end <= begin) return '';
        const from = startedAtMs - beganAtMs;
        return box(x(from + begin), x(from + end), top + row * rowHeight + 2);
      })
      .join('');
    return d !== '' && markup`<path d="${path(d)}" fill="${colour(name)}"><title>${phaseNames[phase]}</title></path>`;
  });
  const failures = bars
    .map(({ startedAtMs, ends, isFailed }, row) => {
      const end = Math.min(x(startedAtMs - beganAtMs + (ends.at(-1) ?? 0)), barWidth - right);
      return isFailed ? box(end - 3, end + 4, top + row * rowHeight + 2) : '';
    })
    .join('');
  return picture(
    barWidth,
    height,
    `Sessions of ${visible(test, 100)}, round ${round}, each a bar over time: ${sessions} sessions, ${failed} of them failed.`,
    [
      named(ticksOf(0, most, unit, 8), unit).map(([value, name]) => {
        const tick = x(value * (isInSeconds ? 1000 : 1));
        return [line(tick, top, tick, height - bottom, 'line'), text(Math.min(tick, barWidth - 18), height - 8, name)];
      }),
      bars.map(({ session, command, isFailed }, row) => {
        const name = visible(`${session}  ${command}`, 28);
        return markup`<text x="${left - 8}" y="${at(top + row * rowHeight + 12)}" text-anchor="end" fill="${colour(isFailed ? 'bad' : 'quiet')}">${name}</text>`;
      }),
      phases,
      failures !== '' && markup`<path d="${path(failures)}" fill="${colour('fail')}"><title>failed</title></path>`,
    ],
  );
};

/** How a series is shown in a legend. */
export const swatch = (name: ReportColour, dash?: readonly number[]): Markup =>
  dash === undefined
    ? markup`<svg viewBox="0 0 14 10" aria-hidden="true"><rect width="14" height="10" rx="2" fill="${colour(name)}" /></svg>`
    : markup`<svg viewBox="0 0 14 10" aria-hidden="true"><path d="M0 5H14" stroke="${colour(name)}" stroke-width="3" stroke-dasharray="${dash.join(' ')}" /></svg>`;
