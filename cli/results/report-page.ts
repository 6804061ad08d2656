import { isNotAsked, worstFirst } from '../run/closing-table.ts';
import { describeOutcome } from '../../lib/session/outcome.ts';
import type { JudgedCriterion, MemoryRecord, RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { evenly } from '../../lib/results/memory-record.ts';
import { quantile } from './histogram.ts';
import { markup, Markup, visible, type Content } from './html.ts';
import { bytes, counted, duration, minuteOf, none, number } from '../../lib/text/quantities.ts';
import { phaseNames, type Distribution, type ReportData, type RoundBars } from './report-data.ts';
import type { Draw } from './report-draw.ts';
import {
  barsPicture,
  boundMs,
  curveLook,
  distributionPicture,
  maxCurves,
  memoryPicture,
  nameOf,
  phaseColours,
  timelinePicture,
  wide,
  type Picture,
} from './report-pictures.ts';
import { colour, reportStyle, type ReportColour } from './report-style.ts';
import { columnsOf, criteriaTable, resultTables, type Column, type ResultTable } from './result-tables.ts';
import { meaningOfRun, saturationText } from './verdict-text.ts';

const statusClasses: Readonly<Record<string, string>> = { PASS: 'good', FAIL: 'bad', 'NO DATA': 'bad' };

const status = (text: string): Markup => markup`<span class="status ${statusClasses[text] ?? 'warn'}">${text}</span>`;

const cellOf = (cell: Content, kind: Column['kind']): Content => {
  if (kind === 'time') return duration(typeof cell === 'number' ? cell : undefined);
  if (kind === 'status' && typeof cell === 'string') return status(cell);
  return kind === 'code' ? markup`<code>${cell}</code>` : (cell ?? none);
};

const look = ({ kind }: Column): Content => (kind === 'count' || kind === 'time') && markup` class="number"`;

type PageTable = Pick<ResultTable, 'caption' | 'columns'> & { rows: readonly (readonly Content[])[] };

/** A table whose first column names its rows; it scrolls by itself where the page is narrow. */
const table = ({ caption, columns, rows }: PageTable): Content =>
  rows.length > 0 &&
  markup`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
    <table>
      <caption>${caption}</caption>
      <thead>
        <tr>
          ${columns.map((column) => markup`<th scope="col"${look(column)}>${column.name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            markup`<tr>
              ${columns.map((column, at) => (at === 0 ? markup`<th scope="row">${cellOf(cells[at], column.kind)}</th>` : markup`<td${look(column)}>${cellOf(cells[at], column.kind)}</td>`))}
            </tr>
`,
        )}
      </tbody>
    </table>
  </div>`;

const swatch = (name: ReportColour, dash?: readonly number[]): Markup =>
  dash === undefined
    ? markup`<svg viewBox="0 0 26 12" aria-hidden="true"><rect width="26" height="12" fill="${colour(name)}" /></svg>`
    : markup`<svg viewBox="0 0 26 12" aria-hidden="true">
        <path
          d="M0 6H26"
          fill="none"
          stroke="${colour(name)}"
          stroke-width="3"
          stroke-dasharray="${dash.join(' ') || 'none'}"
        />
      </svg>`;

const legend = (entries: readonly { name: string; colour: ReportColour; dash?: readonly number[] }[]): Markup =>
  markup`<ul class="legend">
    ${entries.map((entry) => markup`<li>${swatch(entry.colour, entry.dash)}${entry.name}</li>`)}
  </ul>`;

/** A picture with its heading, a legend, and what it shows in words: `alt` for who does not see it, `caption` for all. */
interface Figure {
  heading: string;
  picture: Picture;
  alt: string;
  caption: string;
  key?: Content;
}

/** Makes the figures of a page; each of its pictures has names of its own. */
const figuresOf = (draw: Draw) => {
  let count = 0;
  return ({ heading, picture: { option, width, height }, alt, caption, key }: Figure): Markup => {
    const picture = draw(option, width, height, alt, `p${++count}`);
    const shown =
      width === wide
        ? markup`<div class="scroll wide" role="region" tabindex="0" aria-label="${heading}">${picture}</div>`
        : picture;
    return markup`<figure>
    <h3>${heading}</h3>
    ${key}
    ${shown}
    <figcaption>${caption}</figcaption>
  </figure>`;
  };
};

type DrawFigure = ReturnType<typeof figuresOf>;

const section = (title: string, ...content: readonly Content[]): Markup =>
  markup`<section>
    <h2>${title}</h2>
    ${content}
  </section>`;

const tableSection = (of: ResultTable): Content => of.rows.length > 0 && section(of.title, table(of));

const holding = (criteria: readonly JudgedCriterion[]): number =>
  criteria.filter(({ status: of }) => of === 'PASS').length;

/** All criteria of a single scenario; of several how many hold, and those that do not. */
const criteriaSection = ({ criteria }: RunRecord): Content => {
  const scenarios = scenarioCriteria(criteria);
  const others = criteria.filter(({ status: of }) => of !== 'PASS');
  if (criteria.length === 0) return section('Criteria', markup`<p>The run has no criteria.</p>`);
  if (scenarios.length === 1)
    return section(
      'Criteria',
      scenarios.map((each) => table(each.criteria)),
    );
  return section(
    'Criteria',
    table({
      caption: 'How many criteria of each scenario hold; all of them are listed below',
      columns: columnsOf(undefined, 'Scenario', 'Hold'),
      rows: scenarios.map(({ test, held }) => [test, held]),
    }),
    table(criteriaTable('Those that do not hold, or were not judged', others, true)),
  );
};

/** The criteria of each scenario, those that do not hold first. */
const scenarioCriteria = (criteria: readonly JudgedCriterion[]) =>
  [...new Set(criteria.map(({ test }) => test))].map((test) => {
    const mine = criteria.filter((each) => each.test === test);
    const sorted = mine.toSorted((a, b) => Number(a.status === 'PASS') - Number(b.status === 'PASS'));
    const held = `${holding(mine)} of ${mine.length}`;
    return { test, held, criteria: criteriaTable(`Criteria of ${test}: ${held} hold`, sorted, false) };
  });

/** The criteria of several scenarios, all of them. */
const allCriteriaSection = ({ criteria }: RunRecord): Content => {
  const scenarios = scenarioCriteria(criteria);
  return (
    scenarios.length > 1 &&
    section(
      'All criteria',
      scenarios.map((each) => [markup`<h3>${each.test}</h3>`, table(each.criteria)]),
    )
  );
};

const barsFigure = (round: RoundBars, run: RunRecord): Figure => {
  const name = `${round.test}, round ${round.round}`;
  const label = run.rounds.filter(({ test }) => test === round.test)[round.round - 1]?.label;
  const took = `${counted(round.sessions, 'session')} in ${duration(round.endedMs)}, ${round.failed} of them failed`;
  const sample =
    round.bars.length === round.sessions
      ? 'All of them are drawn.'
      : `Drawn is an even sample: every ${ordinal(round.every)} session by its number, ${round.bars.length} of ${round.sessions}.`;
  const isFailing = round.bars.some(({ isFailed }) => isFailed);
  return {
    heading: label === undefined ? name : `${name}: ${label}`,
    picture: barsPicture(round),
    alt: `Sessions of ${name}, each a bar over time: ${took}. ${sample}`,
    caption: `${took}. ${sample}${isFailing ? ' A red end marks a session that failed.' : ''}`,
  };
};

const ordinal = (value: number): string => (value % 10 === 2 && value % 100 !== 12 ? `${value}nd` : `${value}th`);

const sessionsSection = ({ rounds, run }: ReportData, figure: DrawFigure): Content => {
  const drawn = rounds.filter(({ bars }) => bars.length > 0);
  return (
    drawn.length > 0 &&
    section(
      'Sessions',
      markup`<p>A bar is a session, from the begin of its connection to its end.</p>`,
      legend([
        ...phaseColours.map((name, at) => ({ name: phaseNames[at] ?? '', colour: name })),
        { name: 'failed', colour: 'fail' },
      ]),
      drawn.map((round) => figure(barsFigure(round, run))),
    )
  );
};

const describeTimes = ({ times }: Distribution): string =>
  `${counted(times.count, 'time')}, median ${duration(quantile(times, 0.5))}, p95 ${duration(quantile(times, 0.95))}, longest ${duration(times.max)}`;

/** How distributions are grouped into pictures of curves, and what they are of. */
interface Curves {
  title: string;
  intro: string;
  thing: string;
  /** The time that is measured, as the axis and the table name it. */
  axis: string;
  caption: string;
  bound?: number;
  headingOf: (each: Distribution) => string;
  curveOf: (each: Distribution) => string;
}

const latency: Curves = {
  title: 'Latency of commands',
  intro: `The share of commands of a class that were completed within a time, of those that were ok or timed out. Times are kept to within 1 %. The dashed red line is at ${boundMs / 1000} s.`,
  thing: 'command',
  axis: 'time to completion',
  caption: 'Time from opening the connection, or from the request of a later command, to completion',
  bound: boundMs,
  headingOf: ({ test, of }) => `${test}: ${of}`,
  curveOf: ({ round }) => `round ${round}`,
};

const controlTimes: Curves = {
  title: 'Controls',
  intro: 'From the request of a PAUSE, RESUME or CANCEL to its acknowledgement.',
  thing: 'control',
  axis: 'time to the acknowledgement',
  caption: 'Time from the request of a control to its acknowledgement',
  headingOf: ({ test }) => `${test}: controls`,
  curveOf: ({ of }) => of,
};

/** A picture for each group of distributions, and a table of all of them. */
const curvesSection = (all: readonly Distribution[], curves: Curves, figure: DrawFigure): Content => {
  const { title, intro, thing, axis, caption, bound, headingOf, curveOf } = curves;
  const figureOf = (heading: string): Figure => {
    const mine = all.filter((each) => headingOf(each) === heading);
    const shown = evenly(mine, maxCurves);
    const count = mine.reduce((sum, { times }) => sum + times.count, 0);
    const left =
      mine.length > shown.length ? ` Drawn are ${shown.length} of ${mine.length} curves; the table has all.` : '';
    const told = shown.map((each) => `${visible(curveOf(each), 100)}: ${describeTimes(each)}`);
    return {
      heading,
      picture: distributionPicture(shown, axis, bound),
      alt: `${heading}, the share by ${axis}. ${told.join('; ')}.`,
      caption: `${counted(count, thing)}.${left}`,
      key: legend(shown.map((each, at) => Object.assign(curveLook(at), { name: curveOf(each) }))),
    };
  };
  return (
    all.length > 0 &&
    section(
      title,
      markup`<p>${intro}</p>`,
      markup`<div class="pair">${[...new Set(all.map(headingOf))].map((heading) => figure(figureOf(heading)))}</div>`,
      table({
        caption,
        columns: [
          ...columnsOf(undefined, `${thing}s`),
          ...columnsOf('count', 'times'),
          ...columnsOf('time', 'median', 'p95', 'p99', 'longest'),
        ],
        rows: all.map((each) => [
          nameOf(each),
          each.times.count,
          ...[0.5, 0.95, 0.99, 1].map((share) => quantile(each.times, share)),
        ]),
      }),
    )
  );
};

const timelineSection = ({ timeline, records, run }: ReportData, figure: DrawFigure): Content => {
  if (timeline.sessions.length === 0) return undefined;
  const perSecond = (counts: readonly number[]): string => number((Math.max(...counts) * 1000) / timeline.widthMs);
  const told = `${counted(records.sessions, 'session')} over ${duration(run.durationMs)}, at most ${perSecond(timeline.sessions)} sessions and ${perSecond(timeline.lines)} lines a second`;
  return section(
    'Over time',
    figure({
      heading: 'Sessions and lines a second',
      picture: timelinePicture(timeline),
      alt: `Sessions that ended and lines received over time: ${told}.`,
      caption: `${told}; counted over ${duration(timeline.widthMs)} each. A session and its lines count when it ends, those of cases too.`,
    }),
  );
};

const slopeOf = ({ slopeBytes, lowBytes, highBytes }: MemoryRecord): string => {
  if (slopeBytes === undefined) return 'too little was read to tell a slope';
  const interval =
    lowBytes === undefined || highBytes === undefined
      ? ''
      : `, 95 % interval ${bytes(lowBytes)} to ${bytes(highBytes)}`;
  return `slope ${bytes(slopeBytes)} a session${interval}`;
};

const memoryFigure = (record: MemoryRecord): Figure => {
  const heading = `${record.test}: ${record.case}`;
  const resident = record.samples.map(([, , size]) => size);
  const sessions = Math.max(...record.samples.map(([, finished]) => finished));
  const told = `${counted(record.samples.length, 'reading')} over ${counted(sessions, 'session')}, ${bytes(Math.min(...resident))} to ${bytes(Math.max(...resident))}, ${slopeOf(record)}`;
  const slope = 'slope behind the warm-up, drawn through the median of these readings';
  return {
    heading,
    picture: memoryPicture(record),
    alt: `Resident memory of the service by sessions finished, ${visible(heading, 200)}: ${told}.`,
    caption: `${told}.`,
    key: legend([
      { name: 'a reading', colour: 'c4' },
      ...(record.slopeBytes === undefined ? [] : [{ name: slope, colour: 'c2' as const, dash: [7, 4] }]),
    ]),
  };
};

const memorySection = ({ memory }: ReportData, figure: DrawFigure): Content => {
  const drawn = memory.filter(({ samples }) => samples.length > 0);
  return (
    drawn.length > 0 &&
    section(
      'Memory of the service',
      drawn.map((record) => figure(memoryFigure(record))),
    )
  );
};

const preformatted = (lines: readonly string[]): Markup =>
  markup`<pre>${lines.map((line) => [line, new Markup('\n')])}</pre>`;

const traceOf = (trace: readonly string[] = []): Content =>
  trace.length > 0 &&
  markup`<details>
    <summary>its messages</summary>
    ${preformatted(trace.slice(0, 40).map((line) => visible(line, 320)))}
  </details>`;

const exampleItem = ({ round, session, case: name, commands, outcome, trace }: SessionRecord): Content =>
  markup`<li>
    ${name === undefined ? `round ${round} session ${session}` : `case ${name}`}
    (<code>${commands[0]?.name ?? 'no command'}</code>): ${describeOutcome(outcome)}${traceOf(trace)}
  </li>`;

const theFirst = (shown: readonly unknown[], count: number, of = ''): Content =>
  count > shown.length && markup`<p class="quiet">The first ${shown.length} of ${count}${of}.</p>`;

const failuresSection = ({ failures, hasRecords }: ReportData): Content =>
  section(
    'Failures',
    failures.map(({ kind, count, examples }) => [
      markup`<h3>${kind}: ${counted(count, 'session')}</h3>
        <ul>${examples.map(exampleItem)}</ul>`,
      theFirst(examples, count),
    ]),
    failures.length === 0 &&
      markup`<p>${hasRecords ? 'No record tells of a failed session.' : 'Without records there is nothing to tell of single sessions.'}</p>`,
  );

const findingsSection = ({ findings, run }: ReportData): Content =>
  run.findings.length + findings.length > 0 &&
  section(
    'Findings',
    table(resultTables(run).cases),
    worstFirst(findings).map((found) => {
      const { finding, test, count, first } = found;
      const columns = isNotAsked(found) ? ['case', 'because'] : ['case', 'section', 'expected', 'received'];
      const which = count > first.length ? `, the first ${first.length}` : '';
      return [
        markup`<h3>${finding}: ${test}</h3>`,
        table({
          caption: `${finding} in ${visible(test, 100)}: ${counted(count, 'case')}${which}`,
          columns: columnsOf(undefined, ...columns),
          rows: first.map(({ case: name, section: where, expected, received, trace }) => {
            const came = [received, traceOf(trace)];
            return isNotAsked(found) ? [name, came] : [name, where, expected, came];
          }),
        }),
      ];
    }),
  );

const runSection = ({ run }: ReportData): Content => {
  const { facts, settings, outcomes, measured } = resultTables(run);
  const defaults = markup`<p>No setting was given: all have their defaults.</p>`;
  return section('The run', table(facts), table(settings) || defaults, table(outcomes), table(measured));
};

/** What a reader must know of the records before the pictures. */
const recordNotes = ({ hasRecords, records, run, problems, beyond }: ReportData): string[] => {
  if (!hasRecords) return ['The run left no file of records: there are no pictures, and nothing of single sessions.'];
  const sessions = Object.values(run.outcomes).reduce((sum, count) => sum + (count ?? 0), 0);
  return [
    ...(records.sessions < sessions
      ? [
          `The records have ${records.sessions} of ${counted(sessions, 'session')}: pictures and their figures are of these alone.`,
        ]
      : []),
    ...(records.ofOtherRuns > 0
      ? [`${counted(records.ofOtherRuns, 'record')} of other runs in the file left out.`]
      : []),
    ...(beyond > 0
      ? [
          `There are more rounds, classes or kinds of failure than a report shows; those beyond are left out (${counted(beyond, 'record')}).`,
        ]
      : []),
    ...(problems.count > 0 ? [problemsText(problems)] : []),
  ];
};

/** What is wrong with a file of records, in a sentence. */
export const problemsText = ({ count, isTorn, first }: ReportData['problems']): string =>
  `${counted(count, 'line')} of the file of records could not be read${isTorn ? ', the last one breaks off' : ''}: ${first.join('; ')}${count > first.length ? '; …' : ''}`;

const notes = (data: ReportData): Content => {
  const all = recordNotes(data);
  return (
    all.length > 0 &&
    markup`<div class="note">
      <ul>
        ${all.map((note) => markup`<li>${note}</li>`)}
      </ul>
    </div>`
  );
};

const saidSection = ({ said }: ReportData): Content =>
  said.count > 0 &&
  section('Said beside the records', preformatted(said.first), theFirst(said.first, said.count, ' lines'));

/** A report of a run: one page that needs nothing else, no network and no script. */
export const reportPage = (data: ReportData, draw: Draw): string => {
  const { run } = data;
  const figure = figuresOf(draw);
  const { success, rounds, expected } = resultTables(run);
  const title = `${visible(run.test, 100)}: ${run.verdict}`;
  const criteria = run.criteria.length === 1 ? '1 criterion' : `${run.criteria.length} criteria`;
  const sessions = run.total.successful + run.total.failed;
  const succeeded =
    sessions > 0 ? `; ${run.total.successful} of ${counted(sessions, 'session')} of rounds succeeded` : '';
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}, run ${run.run}</title>
        <style>
          ${new Markup(reportStyle)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="verdict">
            ${status(run.verdict)}: ${meaningOfRun(run)}. ${holding(run.criteria)} of ${criteria} hold${succeeded}.
          </p>
          ${run.saturation && markup`<p>Warning: ${saturationText(run.saturation)}</p>`}
          <p class="quiet">
            Run ${run.run}, ${minuteOf(run.startedAt)} UTC, ${duration(run.durationMs)}, against ${run.url}
          </p>
          ${notes(data)}
        </header>
        <main>
          ${tableSection(success)} ${criteriaSection(run)} ${tableSection(rounds)} ${tableSection(expected)}
          ${sessionsSection(data, figure)} ${curvesSection(data.commands, latency, figure)}
          ${timelineSection(data, figure)} ${curvesSection(data.controls, controlTimes, figure)}
          ${memorySection(data, figure)} ${failuresSection(data)} ${findingsSection(data)} ${saidSection(data)}
          ${allCriteriaSection(run)} ${runSection(data)}
        </main>
      </body>
    </html>
`.text;
};
