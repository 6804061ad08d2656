import { createHash } from 'node:crypto';
import { describeOutcome } from '../../lib/session/outcome.ts';
import type {
  FindingRecord,
  JudgedCriterion,
  RunRecord,
  SamplesRecord,
  SessionRecord,
} from '../../lib/results/record-schema.ts';
import type { Cause, CauseExample, Result } from '../../lib/results/result-schema.ts';
import { markup, Markup, visible, type Content } from '../results/html.ts';
import { columnsOf, resultTables, type Column, type ResultTable } from '../results/result-tables.ts';
import { bytes, counted, duration, minuteOf, none, percent } from '../../lib/text/quantities.ts';
import { isNotAsked, worstFirst } from '../run/closing-table.ts';
import type { Chart } from './chart.ts';
import {
  controlDistributions,
  latencyDistributions,
  leastForChart,
  machineCharts,
  memoryCharts,
  timeCharts,
} from './charts.ts';
import { maxBars, phaseNames, type ReportData, type RoundSessions } from './gather.ts';
import { leastCount, percentilesOf, type Histogram } from '../results/histogram.ts';
import { keyFigures } from './key-figures.ts';
import { reportStyle, type ReportColour } from './style.ts';
import { barsPicture, chartPicture, phaseColours, swatch } from './svg.ts';

/** What a page shows. */
export interface Report {
  data: ReportData;
  result: Result;
  samples: SamplesRecord | undefined;
  /** The run goes on: a browser follows it by server-sent events. */
  isLive?: true;
}

/** The script and style sheet that the build made for pages. */
export interface PageAssets {
  script: string;
  style: string;
}

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
<thead><tr>${columns.map((column) => markup`<th scope="col"${look(column)}>${column.name}</th>`)}</tr></thead>
<tbody>
${rows.map(
  (cells) =>
    markup`<tr>${columns.map((column, at) => (at === 0 ? markup`<th scope="row"${look(column)}>${cellOf(cells[at], column.kind)}</th>` : markup`<td${look(column)}>${cellOf(cells[at], column.kind)}</td>`))}</tr>
`,
)}</tbody>
</table>
</div>
`;

/** Names for links into the page: made of anything, and each once. */
const makeIds = () => {
  const taken = new Set<string>();
  return (text: string): string => {
    const plain = text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 80);
    let id = plain || 'part';
    for (let number = 2; taken.has(id); number++) id = `${plain || 'part'}-${number}`;
    taken.add(id);
    return id;
  };
};

type MakeId = ReturnType<typeof makeIds>;

const anchor = (id: string): Markup => markup`<a class="anchor" href="#${id}" aria-label="Link to this">#</a>`;

const heading = (id: string, text: string): Markup => markup`<h3 id="${id}">${text}${anchor(id)}</h3>`;

/** A part of the page, which the table of contents names. */
interface Section {
  id: string;
  title: string;
  content: Content;
}

const sectionMarkup = ({ id, title, content }: Section): Markup =>
  markup`<section id="${id}">
<h2>${title}${anchor(id)}</h2>
${content}
</section>
`;

const isShownContent = (content: Content): boolean =>
  typeof content === 'object' && !(content instanceof Markup)
    ? content.some(isShownContent)
    : content !== undefined && content !== false && content !== '';

const legend = (entries: readonly { name: string; colour: ReportColour; dash?: readonly number[] }[]): Markup =>
  markup`<ul class="legend">${entries.map((entry) => markup`<li>${swatch(entry.colour, entry.dash)}<span>${entry.name}</span></li>`)}</ul>`;

const chartFigure = (chart: Chart): Markup =>
  markup`<figure data-chart="${chart.id}" id="chart-${chart.id}">
<h3>${chart.title}${anchor(`chart-${chart.id}`)}</h3>
${legend(chart.series)}
<div class="plot">${chartPicture(chart)}</div>
<figcaption>${chart.note}</figcaption>
</figure>
`;

const chartGrid = (charts: readonly Chart[]): Content =>
  charts.length > 0 && markup`<div class="charts">${charts.map(chartFigure)}</div>`;

/** Shown by the script: without one there is nothing to zoom. */
const zoomTools = markup`<div class="tools" hidden><span class="quiet">Drag across a chart to zoom all of them, double-click to see the whole run again; click a name to hide its series.</span><button type="button" data-act="zoom-out" hidden>Show the whole run</button></div>`;

const preformatted = (lines: readonly string[]): Markup =>
  markup`<pre>${lines.map((line, at) => [at > 0 && new Markup('\n'), line])}</pre>`;

const shownTrace = 40;

const traceOf = (trace: readonly string[] = []): Content =>
  trace.length > 0 &&
  markup`<details>
<summary>Its messages: &gt; sent, &lt; received</summary>
${preformatted(trace.slice(0, shownTrace).map((line) => visible(line, 320)))}
</details>`;

const pair = (name: string, value: Content): Content =>
  isShownContent(value) && markup`<dt>${name}</dt><dd>${value}</dd>`;

const asCode = (text: string | undefined): Content => text !== undefined && markup`<code>${visible(text, 600)}</code>`;

const whereOf = ({ scenario, round, session, case: name, command }: CauseExample): string =>
  [
    scenario,
    round === undefined ? undefined : `round ${round}`,
    session === undefined ? undefined : `session ${session}`,
    name === undefined ? undefined : `case ${name}`,
    command === undefined ? undefined : `command ${command}`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');

const exampleItem = (example: CauseExample): Markup =>
  markup`<li>${whereOf(example)}: expected ${example.expected}; received ${example.received}${traceOf(example.trace)}</li>`;

const shownExamples = 5;

const examplesOf = ({ examples, count }: Cause, id: string): Content => {
  const [first] = examples;
  if (first === undefined || (examples.length === 1 && first.trace === undefined)) return undefined;
  const some = examples.slice(0, shownExamples);
  const summary = some.length < count ? `The first ${some.length} of ${count}` : `All ${count}`;
  return markup`<details id="examples-of-${id}">
<summary>${count === 1 ? 'Where, and its messages' : summary}</summary>
<ul>${some.map(exampleItem)}</ul>
</details>`;
};

const weightNotes: Readonly<Record<Cause['weight'], string>> = {
  failure: '',
  tolerated: 'The criteria allow it. ',
  'not-checked': 'Not checked. ',
  warning: 'Warning. ',
};

const adviceOf = ({ advice, link }: Cause): Content => advice !== '' && markup`${advice} More: <code>${link}</code>`;

/** A cause in full; one that the headline says already begins with what to do. */
const causeCard = (cause: Cause, id: string, headline: string): Markup => {
  const { weight, place, section, expected, received, messageSent, messageReceived } = cause;
  const sentence = sentenceCase(cause.sentence);
  const isHeadline = sentence === headline;
  return markup`<article class="cause ${weight}" id="${id}">
<h2>${isHeadline ? 'What to do' : sentence}${anchor(id)}</h2>
${isHeadline ? markup`<p>${adviceOf(cause)}</p>` : markup`<p class="quiet">${weightNotes[weight]}${place}${section !== undefined && ` (${section})`}</p>`}
<dl class="pairs">
${pair('Expected', expected)}
${pair('Received', received)}
${pair('Message sent', asCode(messageSent))}
${pair('Message received', asCode(messageReceived))}
${!isHeadline && pair('What to do', adviceOf(cause))}
</dl>
${examplesOf(cause, id)}
</article>
`;
};

/** A sentence begins with a capital, but k6 and p95 are names. */
const sentenceCase = (text: string): string =>
  /^[a-z]{2}/.test(text) ? `${text.slice(0, 1).toUpperCase()}${text.slice(1)}` : text;

const shownCauses = 3;

/** The causes that decided, the worst of them in full view; the others are a click away. */
const causesPart = ({ causes, proven, sentence }: Result, ids: MakeId): Content => {
  const headline = withoutVerdict(sentence);
  const card = (cause: Cause): Markup => causeCard(cause, ids(`cause-${cause.id}`), headline);
  const [first, others] = [causes.slice(0, shownCauses), causes.slice(shownCauses)];
  return [
    proven.length > 0 &&
      markup`<div class="cause proven"><h2>What this run shows</h2><ul>${proven.map((each) => markup`<li>${each}</li>`)}</ul></div>`,
    first.map(card),
    others.length > 0 &&
      markup`<details id="more-causes"><summary>${others.length} more: ${visible(others.map(({ sentence }) => sentence).join('; '), 160)}</summary>
${others.map(card)}</details>`,
  ];
};

const figuresPart = (report: Report): Markup =>
  markup`<dl class="figures">${keyFigures(report).map(
    ({ label, value, details, change }) =>
      markup`<div class="figure"><dt>${label}</dt><dd>${value}</dd>${details.map((detail) => markup`<dd class="detail">${detail}</dd>`)}${change && markup`<dd class="detail ${change.look}">${change.text}</dd>`}</div>
`,
  )}</dl>`;

const holding = (criteria: readonly JudgedCriterion[]): number =>
  criteria.filter(({ status: of }) => of === 'PASS').length;

const checkRows = (some: Result['checks']): Content[][] =>
  some.map(({ title, expression, status: of, observed, expected }) => [
    markup`${title}<span class="small"><code>${expression}</code></span>`,
    status(expected === true ? `${of}, expected` : of),
    observed ?? none,
  ]);

/** The checks in words, those that failed first; the expression of thresholds.json in small print. */
const checksSection = ({ result: { checks } }: Report, ids: MakeId): Content => {
  const scenarios = [...new Set(checks.map(({ scenario }) => scenario))];
  const columns = columnsOf(undefined, 'Check', 'Status', 'Observed');
  const unasked = checks.filter(({ status: of }) => of.startsWith('NOT '));
  if (checks.length > 0 && unasked.length === checks.length)
    return markup`<details id="${ids('checks-not-run')}"><summary>None of ${counted(checks.length, 'check')} was run</summary>
${table({ caption: 'Checks that were not run', columns, rows: checkRows(checks) })}</details>`;
  return scenarios.map((scenario) => {
    const mine = checks.filter((each) => each.scenario === scenario);
    const passed = mine.filter(({ status: of }) => of === 'PASS');
    const others = mine.filter(({ status: of }) => of !== 'PASS');
    const caption = `${scenario}: ${passed.length} of ${counted(mine.length, 'check')} passed`;
    const isLong = scenarios.length > 1;
    return [
      isLong && heading(ids(`checks-${scenario}`), `${scenario}: ${passed.length} of ${mine.length} passed`),
      table({ caption, columns, rows: checkRows(isLong ? others : [...others, ...passed]) }),
      isLong &&
        passed.length > 0 &&
        markup`<details id="${ids(`passed-${scenario}`)}"><summary>${counted(passed.length, 'check')} passed</summary>${table({ caption, columns, rows: checkRows(passed) })}</details>`,
    ];
  });
};

const cells = (...all: Content[]): Content[] => all;

/** Median, p95, p99 and the longest of times. */
const percentileCells = (times: Histogram): Content[] => {
  const { p50, p95, p99 } = percentilesOf(times);
  return [p50, p95, p99, times.count > 0 ? times.max : undefined];
};

const enoughNote = `A percentile is shown from ${leastCount.p50} values for p50, ${leastCount.p95} for p95 and ${leastCount.p99} for p99.`;

const latencySection = ({ data }: Report): Content => {
  const { commands, latencies } = data;
  if (commands.length === 0) return undefined;
  const charts = latencyDistributions(latencies);
  return [
    markup`<p class="quiet">From opening the connection, or from the request of a later command, to completion. ${enoughNote}</p>`,
    table({
      caption: 'Commands of rounds, by scenario',
      columns: [
        ...columnsOf('code', 'Command'),
        ...columnsOf(undefined, 'Scenario', 'Class'),
        ...columnsOf('count', 'Count', 'Success'),
        ...columnsOf('time', 'p50', 'p95', 'p99', 'Longest'),
      ],
      rows: commands.map(({ name, test, class: of, count, successful, times }) =>
        cells(name, test, of, count, percent(successful / count)).concat(percentileCells(times)),
      ),
    }),
    chartGrid(charts),
  ];
};

const perSecond = (count: number, ms: number): string =>
  ms > 0 && count >= leastForChart ? `${Number(((count * 1000) / ms).toPrecision(3))}` : none;

/** The number of a round among those of its scenario. */
const roundNumber = (rounds: RunRecord['rounds'], at: number): number =>
  rounds.slice(0, at + 1).filter(({ test }) => test === rounds[at]?.test).length;

const roundsSection = ({ data }: Report, isComplete: boolean, ids: MakeId): Content => {
  const { run, rounds } = data;
  if (run.rounds.length === 0 || run.verdict === 'NOT RUN') return undefined;
  const rows = run.rounds.map((figures, at) => {
    const number = roundNumber(run.rounds, at);
    const own = isComplete ? rounds.find(({ test, round }) => test === figures.test && round === number) : undefined;
    const all = figures.successful + figures.failed;
    const percentiles =
      own === undefined
        ? [undefined, all >= leastCount.p95 ? figures.p95Ms : undefined, undefined]
        : percentileCells(own.times).slice(0, 3);
    return cells(
      `${visible(figures.test, 60)} ${number}`,
      figures.label,
      all,
      all > 0 ? percent(figures.successful / all) : none,
      own === undefined ? none : perSecond(own.sessions, own.endedMs),
    ).concat(percentiles, figures.maxMs);
  });
  return [
    markup`<p class="quiet">Times are of whole sessions, from opening the connection to its end. ${enoughNote}</p>`,
    table({
      caption: 'Rounds and how long their sessions took',
      columns: [
        ...columnsOf(undefined, 'Round', 'Load'),
        ...columnsOf('count', 'Sessions', 'Success', 'Per second'),
        ...columnsOf('time', 'p50', 'p95', 'p99', 'Longest'),
      ],
      rows,
    }),
    sessionBars(rounds, ids),
  ];
};

/** Rounds of a few sessions, each session a bar: whoever looks for one finds it by its number and command. */
const sessionBars = (rounds: readonly RoundSessions[], ids: MakeId): Content => {
  const drawn = rounds.filter(({ bars }) => bars.length > 1);
  if (drawn.length === 0) return undefined;
  const isAlone = drawn.length <= 2;
  return [
    heading(ids('each-session'), 'Each session'),
    markup`<p class="quiet">Rounds of 2 to ${maxBars} sessions: a bar from the opening of the connection to its end, with the session's number and first command. A red end marks a failed session.</p>`,
    legend([
      ...phaseColours.map((name, at) => ({ name: phaseNames[at] ?? '', colour: name })),
      { name: 'failed', colour: 'fail' },
    ]),
    drawn.map((round) => {
      const { test, round: number, sessions, failed, endedMs } = round;
      const title = `${visible(test, 80)}, round ${number}: ${counted(sessions, 'session')} in ${duration(endedMs)}, ${failed} failed`;
      return markup`<details id="${ids(`sessions-${test}-${number}`)}"${(isAlone || failed > 0) && markup` open`}><summary>${title}</summary>
<figure class="bars"><div class="scroll wide" role="region" tabindex="0" aria-label="${title}">${barsPicture(round)}</div></figure></details>`;
    }),
  ];
};

const findingCard = (record: FindingRecord, id: string): Markup =>
  markup`<article class="cause ${record.finding === 'deviating' ? 'tolerated' : 'failure'}" id="${id}">
<h4>${record.case}${anchor(id)}</h4>
<dl class="pairs">
${pair('Expected', `${record.expected} (${record.section})`)}
${pair('Received', record.received)}
</dl>
${traceOf(record.trace)}
</article>
`;

const findingsSection = ({ data: { findings, run } }: Report, ids: MakeId): Content => {
  const asked = findings.filter((each) => !isNotAsked(each));
  const left = findings.filter(isNotAsked);
  const counts = table(resultTables(run).cases);
  if (findings.length === 0 && counts === false) return undefined;
  return [
    counts,
    worstFirst(asked).map(({ finding, test, count, first }) => [
      markup`<details id="${ids(`findings-${finding}-${test}`)}"${(finding === 'breaking' || finding === 'bypass') && markup` open`}>
<summary><h3>${finding} in ${test}: ${counted(count, 'case')}${count > first.length && `, the first ${first.length}`}</h3></summary>
${first.map((record) => findingCard(record, ids(`finding-${test}-${record.case}`)))}
</details>`,
    ]),
    left.map(
      ({ finding, test, count, first }) =>
        markup`<details id="${ids(`findings-${finding}-${test}`)}">
<summary>${counted(count, 'case')} of ${test} ${finding === 'not-run' ? 'not run' : 'not applicable'}</summary>
${table({
  caption: `Cases of ${visible(test, 100)} that were not asked, and why`,
  columns: columnsOf(undefined, 'Case', 'Reason'),
  rows: first.map(({ case: name, received }) => [name, received]),
})}
</details>`,
    ),
  ];
};

const sessionExample = ({ round, session, case: name, commands, command, outcome, trace }: SessionRecord): Content =>
  markup`<li>${name === undefined ? `round ${round} session ${session}` : `case ${name}`} (<code>${commands[0]?.name ?? command?.name ?? 'no command'}</code>): ${describeOutcome(outcome)}${traceOf(trace)}</li>`;

const failuresSection = ({ data: { failures } }: Report, ids: MakeId): Content =>
  failures.map(({ kind, count, examples }, at) => {
    const which = count > examples.length ? `, the first ${examples.length}` : '';
    return markup`<details id="${ids(`failed-${kind}`)}"${at < 3 && markup` open`}>
<summary><h3>${kind}: ${counted(count, 'session')}${which}</h3></summary>
<ul>${examples.map(sessionExample)}</ul>
</details>`;
  });

const controlsSection = ({ data: { controls } }: Report): Content =>
  controls.length > 0 && [
    markup`<p class="quiet">From the request of a PAUSE, RESUME or CANCEL to its acknowledgement. ${enoughNote}</p>`,
    table({
      caption: 'Controls by scenario and type',
      columns: [
        ...columnsOf(undefined, 'Control', 'Scenario'),
        ...columnsOf('count', 'Count'),
        ...columnsOf('time', 'p50', 'p95', 'p99', 'Longest'),
      ],
      rows: controls.map(({ test, of, times }) => cells(of, test, times.count).concat(percentileCells(times))),
    }),
    chartGrid(controlDistributions(controls)),
  ];

const slopeOf = ({ slopeBytes, lowBytes, highBytes }: ReportData['memory'][number]): string => {
  if (slopeBytes === undefined) return 'too little was read to tell';
  const interval =
    lowBytes === undefined || highBytes === undefined
      ? ''
      : ` (95 % interval ${bytes(lowBytes)} to ${bytes(highBytes)})`;
  return `${bytes(slopeBytes)} per session${interval}`;
};

const memorySection = ({ data: { memory } }: Report): Content => {
  const read = memory.filter(({ samples }) => samples.length > 0);
  return (
    read.length > 0 && [
      table({
        caption: 'Memory of the service under load; growth is judged after a warm-up',
        columns: [
          ...columnsOf(undefined, 'Load'),
          ...columnsOf('count', 'Readings', 'Sessions', 'Least', 'Most'),
          ...columnsOf(undefined, 'Growth'),
        ],
        rows: read.map((each) => {
          const sizes = each.samples.map(([, , size]) => size);
          return [
            `${visible(each.test, 60)} ${visible(each.case, 60)}`,
            sizes.length,
            Math.max(...each.samples.map(([, sessions]) => sessions)),
            bytes(Math.min(...sizes)),
            bytes(Math.max(...sizes)),
            slopeOf(each),
          ];
        }),
      }),
      chartGrid(memoryCharts(read)),
    ]
  );
};

const theFirst = (shown: readonly unknown[], count: number, of = ''): Content =>
  count > shown.length && markup`<p class="quiet">The first ${shown.length} of ${count}${of}.</p>`;

const runSection = ({ data: { run, said }, isLive }: Report, ids: MakeId): Content => {
  const { facts: all, settings, outcomes, measured, success } = resultTables(run);
  const facts = isLive ? { ...all, rows: all.rows.filter(([name]) => name !== 'verdict') } : all;
  return [
    table(success),
    table(facts),
    table(settings) || markup`<p>All settings have their defaults.</p>`,
    table(outcomes),
    table(measured),
    said.count > 0 &&
      markup`<details id="${ids('other-output')}"><summary>Other output of k6 and the scenario: ${counted(said.count, 'line')}</summary>${preformatted(said.first)}${theFirst(said.first, said.count, ' lines')}</details>`,
  ];
};

/** What a reader must know of the records before the charts. */
const recordNotes = ({ data }: Report, sessions: number): string[] => {
  const { hasRecords, records, problems, beyond } = data;
  if (!hasRecords)
    return [
      'This run left no records of its sessions (they were sent elsewhere or deleted), so charts and single failures are missing.',
    ];
  return [
    ...(records.sessions < sessions
      ? [
          `Records exist of ${records.sessions} of ${counted(sessions, 'session')}. Charts over time need all of them (--records all) and are left out; tables of commands count only these.`,
        ]
      : []),
    ...(records.ofOtherRuns > 0
      ? [`The file of records also has ${counted(records.ofOtherRuns, 'record')} of other runs, which are left out.`]
      : []),
    ...(beyond > 0
      ? [
          `There are more rounds, commands or kinds of failure than a report shows: ${counted(beyond, 'record')} left out.`,
        ]
      : []),
    ...(problems.count > 0 ? [problemsText(problems)] : []),
  ];
};

/** What is wrong with a file of records, in a sentence. */
export const problemsText = ({ count, isTorn, first }: ReportData['problems']): string =>
  `${counted(count, 'line')} of the file of records could not be read${isTorn ? ', the last one breaks off' : ''}: ${first.join('; ')}${count > first.length ? '; …' : ''}`;

const notesPart = (notes: readonly string[]): Content =>
  notes.length > 0 && markup`<div class="note"><ul>${notes.map((note) => markup`<li>${note}</li>`)}</ul></div>`;

/** JSON that no HTML parser takes for anything else. */
const embedded = (value: unknown): Markup =>
  new Markup(
    JSON.stringify(value)
      .replaceAll('<', String.raw`\u003c`)
      .replaceAll('\u2028', String.raw`\u2028`)
      .replaceAll('\u2029', String.raw`\u2029`),
  );

/** Six digits say all that a chart shows. */
const brief = <Value extends number | null>(value: Value): Value =>
  (typeof value === 'number' ? Number(value.toPrecision(6)) : value) as Value;

const rounded = (chart: Chart): Chart => {
  const series = chart.series.map((each) => Object.assign(each, { values: each.values.map(brief) }));
  return { ...chart, x: chart.x.map(brief), series };
};

const verdictLooks: Readonly<Record<string, string>> = { PASS: 'good', FAIL: 'bad', RUNNING: 'running' };

/** A sentence of a result without the verdict before it. */
const withoutVerdict = (sentence: string): string => sentenceCase(sentence.replace(/^[A-Za-z ]{2,16}: /, ''));

const runLine = ({ data: { run } }: Report): Markup => {
  const { name, version } = run.service;
  const service = name === undefined ? '' : `${name} ${version ?? ''}`;
  return markup`<ul class="facts">
<li>${minuteOf(run.startedAt)} UTC</li><li>${duration(run.durationMs)}</li><li>${run.url}</li>${service !== '' && markup`<li>${service}</li>`}<li>run ${run.run}</li>
</ul>`;
};

const sectionsOf = (report: Report, isComplete: boolean, ids: MakeId): { sections: Section[]; charts: Chart[] } => {
  const { data, samples } = report;
  const overTime = timeCharts(data, isComplete, report.isLive);
  const machine = machineCharts(samples, data);
  const tooFew =
    data.records.sessions > 0 &&
    overTime.length === 0 &&
    markup`<p class="quiet">Too few sessions or too short a run for charts over time: ${counted(data.records.sessions, 'session')}.</p>`;
  const noMachine =
    samples === undefined &&
    markup`<p class="quiet">The load of this machine over time is missing: ws-stress run records it on Linux, in samples.json.</p>`;
  const all: Section[] = [
    {
      id: 'over-time',
      title: 'Over time',
      content:
        overTime.length + machine.length > 0
          ? [zoomTools, tooFew, chartGrid([...overTime, ...machine]), noMachine]
          : tooFew,
    },
    { id: 'latency', title: 'Commands', content: latencySection(report) },
    { id: 'rounds', title: 'Rounds', content: roundsSection(report, isComplete, ids) },
    {
      id: 'checks',
      title: `Checks: ${holding(data.run.criteria)} of ${data.run.criteria.length} passed`,
      content: checksSection(report, ids),
    },
    { id: 'findings', title: 'Findings', content: findingsSection(report, ids) },
    {
      id: 'expected',
      title: 'Differences from the expected findings',
      content: table(resultTables(data.run).expected),
    },
    { id: 'failed-sessions', title: 'Failed sessions', content: failuresSection(report, ids) },
    { id: 'memory', title: 'Memory of the service', content: memorySection(report) },
    { id: 'controls', title: 'Controls', content: controlsSection(report) },
    { id: 'run', title: 'The run', content: runSection(report, ids) },
  ];
  const charts = [
    ...overTime,
    ...machine,
    ...latencyDistributions(data.latencies),
    ...controlDistributions(data.controls),
    ...memoryCharts(data.memory),
  ];
  return { sections: all.filter(({ content }) => isShownContent(content)), charts };
};

/** A report of a run: one page that needs nothing else, no network; a script in it makes its charts respond. */
export const reportPage = (report: Report, { script, style }: PageAssets): string => {
  const { data, result, isLive = false } = report;
  const { run } = data;
  const verdict = isLive ? 'RUNNING' : result.verdict;
  const sessions = Object.values(run.outcomes).reduce((sum, count) => sum + (count ?? 0), 0);
  const isComplete = isLive ? run.settings.STRESS_RECORDS !== 'failures' : data.records.sessions >= sessions;
  const ids = makeIds();
  const { sections, charts } = sectionsOf(report, isComplete, ids);
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'${isLive ? "; connect-src 'self'" : ''}; base-uri 'none'; form-action 'none'`;
  const notes = recordNotes(report, isLive ? 0 : sessions);
  return markup`<!doctype html>
<html lang="en"${isLive && markup` data-live`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${visible(run.test, 100)}: ${verdict}, run ${run.run}</title>
<style>
${new Markup(style)}${new Markup(reportStyle)}</style>
</head>
<body>
<header>
<p class="kicker"><span class="verdict ${verdictLooks[verdict] ?? ''}">${verdict}</span><span>${run.test}</span></p>
<h1>${withoutVerdict(result.sentence)}</h1>
${runLine(report)}
${figuresPart(report)}
${result.changes && markup`<p class="quiet">${result.changes.sentence}.</p>`}
${causesPart(result, ids)}
${notesPart(notes)}
</header>
<nav aria-label="Contents"><div><ul>${sections.map(({ id, title }) => markup`<li><a href="#${id}">${title.replace(/:.*/, '')}</a></li>`)}</ul></div></nav>
<main>
${sections.map(sectionMarkup)}</main>
<footer class="quiet"><p>Written by websocket-mcp-stress ${run.suiteVersion}. How to read it: <code>docs/report.md</code></p></footer>
<script type="application/json" id="report-data">${embedded(charts.map(rounded))}</script>
<script>${new Markup(script)}</script>
</body>
</html>
`.text;
};
