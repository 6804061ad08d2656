import { shownUrl } from '../../lib/load/settings.ts';
import { meaningOfRun } from './verdict-text.ts';
import type { Figures, JudgedCriterion, MemoryRecord } from '../../lib/results/record-schema.ts';
import { quantile } from './histogram.ts';
import { markup, Markup, visible, type Content } from './html.ts';
import { evenly, phaseNames, type Distribution, type ReportData, type RoundBars } from './report-data.ts';
import type { Draw } from './report-draw.ts';
import {
  barsPicture,
  boundMs,
  curveLook,
  distributionPicture,
  memoryPicture,
  maxCurves,
  nameOf,
  phaseColours,
  timelinePicture,
  type Picture,
} from './report-pictures.ts';
import { colour, reportStyle, type ReportColour } from './report-style.ts';

const none = '–';

const duration = (ms: number | undefined): string => {
  if (ms === undefined) return none;
  if (ms >= 120_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
};

const bytes = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 2 ** 30) return `${(value / 2 ** 30).toFixed(1)} GiB`;
  if (size >= 2 ** 20) return `${(value / 2 ** 20).toFixed(1)} MiB`;
  return size >= 10 * 2 ** 10 ? `${(value / 2 ** 10).toFixed(1)} KiB` : `${Math.round(value)} bytes`;
};

const percent = (share: number | undefined): string => (share === undefined ? none : `${(share * 100).toFixed(0)} %`);

const number = (value: number): string =>
  Math.abs(value) < 100 ? String(Math.round(value * 1000) / 1000) : String(Math.round(value));

/** A number of things, in words: `1 session`, `2 sessions`. */
const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

const observed = ({ observed: value, unit }: JudgedCriterion): string =>
  value === undefined
    ? none
    : unit === 'ms'
      ? duration(value)
      : `${number(value)}${unit === undefined ? '' : ` ${unit}`}`;

const statusClass = (status: string): string =>
  status === 'PASS' ? 'good' : status === 'FAIL' || status === 'NO DATA' ? 'bad' : 'warn';

const status = (text: string): Markup => markup`<span class="status ${statusClass(text)}">${text}</span>`;

interface Column {
  name: string;
  isNumber?: boolean;
}

/** A table whose first column names its rows; it scrolls by itself where the page is narrow. */
const table = (caption: string, columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup => {
  const numeric = (at: number): Markup | undefined =>
    columns[at]?.isNumber === true ? markup` class="number"` : undefined;
  return markup`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
    <table>
      <caption>${caption}</caption>
      <thead>
        <tr>
          ${columns.map(({ name }, at) => markup`<th scope="col"${numeric(at)}>${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            markup`<tr>
              ${cells.map((cell, at) => (at === 0 ? markup`<th scope="row">${cell}</th>` : markup`<td${numeric(at)}>${cell}</td>`))}
            </tr>
`,
        )}
      </tbody>
    </table>
  </div>`;
};

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

/** Draws the pictures of a page, each with names of its own. */
const pictures = (draw: Draw) => {
  let count = 0;
  return ({ option, width, height }: Picture, alt: string): Markup => draw(option, width, height, alt, `p${++count}`);
};

type Paint = ReturnType<typeof pictures>;

const figure = (heading: string, picture: Markup, key: Content, caption: string, isWide = true): Markup =>
  markup`<figure>
    <h3>${heading}</h3>
    ${key}
    ${isWide ? markup`<div class="scroll wide" role="region" tabindex="0" aria-label="${heading}">${picture}</div>` : picture}
    <figcaption>${caption}</figcaption>
  </figure>`;

const section = (title: string, ...content: readonly Content[]): Markup =>
  markup`<section>
    <h2>${title}</h2>
    ${content}
  </section>`;

const testsOf = (things: readonly { test: string }[]): string[] => [...new Set(things.map(({ test }) => test))];

const successSection = ({ run: { success } }: ReportData): Content =>
  success &&
  section(
    'Success criteria',
    table(
      'The success criteria of the suite and the criterion that decides each',
      [{ name: 'success criterion' }, { name: 'status' }, { name: 'decided by' }, { name: 'observed', isNumber: true }],
      success.map(({ title, status: of, decidedBy, left }) => [
        visible(title),
        status(of),
        decidedBy
          ? markup`${visible(decidedBy.test)}: <code>${visible(`${decidedBy.selector} ${decidedBy.expression}`)}</code>`
          : left.length > 0
            ? `left out: ${visible(left.join(', '))}`
            : none,
        decidedBy ? observed(decidedBy) : none,
      ]),
    ),
  );

const rank = ({ status: of }: JudgedCriterion): number => ['bad', 'warn', 'good'].indexOf(statusClass(of));

/** Those that do not hold come first. */
const byStatus = (criteria: readonly JudgedCriterion[]): JudgedCriterion[] =>
  criteria.toSorted((a, b) => rank(a) - rank(b));

const criteriaTable = (caption: string, criteria: readonly JudgedCriterion[]): Markup =>
  table(
    caption,
    [{ name: 'metric' }, { name: 'expression' }, { name: 'status' }, { name: 'observed', isNumber: true }],
    byStatus(criteria).map((each) => [
      markup`<code>${visible(each.selector)}</code>`,
      markup`<code>${visible(each.expression)}</code>`,
      status(each.status),
      observed(each),
    ]),
  );

interface ScenarioCriteria {
  test: string;
  mine: readonly JudgedCriterion[];
  held: string;
}

const byScenario = ({ run: { criteria } }: ReportData): ScenarioCriteria[] =>
  testsOf(criteria).map((test) => {
    const mine = criteria.filter((each) => each.test === test);
    const holding = mine.filter(({ status: of }) => of === 'PASS').length;
    return { test: visible(test, 100), mine, held: `${holding} of ${mine.length}` };
  });

/** All criteria of a single scenario; of several how many hold, and those that do not. */
const criteriaSection = (data: ReportData): Content => {
  const scenarios = byScenario(data);
  const [only] = scenarios;
  if (only === undefined) return section('Criteria', markup`<p>The run has no criteria.</p>`);
  if (scenarios.length === 1)
    return section('Criteria', criteriaTable(`Criteria of ${only.test}: ${only.held} hold`, only.mine));
  const others = data.run.criteria.filter(({ status: of }) => of !== 'PASS');
  return section(
    'Criteria',
    table(
      'How many criteria of each scenario hold; all of them stand below',
      [{ name: 'scenario' }, { name: 'hold' }],
      scenarios.map(({ test, held }) => [test, held]),
    ),
    others.length > 0 && criteriaTable('Those that do not hold, or were not judged', others),
  );
};

/** The criteria of several scenarios, all of them. */
const allCriteriaSection = (data: ReportData): Content => {
  const scenarios = byScenario(data);
  return (
    scenarios.length > 1 &&
    section(
      'All criteria',
      scenarios.map(({ test, mine, held }) => [
        markup`<h3>${test}</h3>`,
        criteriaTable(`Criteria of ${test}: ${held} hold`, mine),
      ]),
    )
  );
};

const figuresRow = (name: Content, label: string, figures: Figures): Content[] => [
  name,
  visible(label),
  figures.successful,
  figures.failed,
  ...[figures.avgMs, figures.minMs, figures.p95Ms, figures.maxMs].map(duration),
];

const roundNumber = (rounds: readonly Figures[], at: number): number =>
  rounds.slice(0, at + 1).filter(({ test }) => test === rounds[at]?.test).length;

const roundsSection = ({ run: { rounds, total } }: ReportData): Content =>
  rounds.length > 0 &&
  section(
    'Rounds',
    table(
      'Sessions of each round and how long they took',
      [
        { name: 'round' },
        { name: 'load' },
        ...['successful', 'failed', 'average', 'shortest', 'p95', 'longest'].map((name) => ({ name, isNumber: true })),
      ],
      [
        ...rounds.map((each, at) =>
          figuresRow(`${visible(each.test, 100)} ${roundNumber(rounds, at)}`, each.label, each),
        ),
        ...(rounds.length > 1 ? [figuresRow('all', '', total)] : []),
      ],
    ),
  );

const roundName = ({ test, round }: RoundBars): string => `${visible(test, 100)}, round ${round}`;

const barsFigure = (round: RoundBars, run: ReportData['run'], paint: Paint): Markup => {
  const label = run.rounds.filter(({ test }) => test === round.test)[round.round - 1]?.label;
  const load = label === undefined ? '' : `: ${visible(label, 200)}`;
  const took = `${counted(round.sessions, 'session')} in ${duration(round.endedMs)}, ${round.failed} of them failed`;
  const sample =
    round.bars.length === round.sessions
      ? 'All of them are drawn.'
      : `Drawn is an even sample: every ${ordinal(round.every)} session by its number, ${round.bars.length} of ${round.sessions}.`;
  const isFailing = round.bars.some(({ isFailed }) => isFailed);
  return figure(
    `${roundName(round)}${load}`,
    paint(barsPicture(round), `Sessions of ${roundName(round)}, each a bar over time: ${took}. ${sample}`),
    undefined,
    `${took}. ${sample}${isFailing ? ' A red end marks a session that failed.' : ''}`,
  );
};

const ordinal = (value: number): string => (value % 10 === 2 && value % 100 !== 12 ? `${value}nd` : `${value}th`);

const sessionsSection = ({ rounds, run }: ReportData, paint: Paint): Content => {
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
      drawn.map((round) => barsFigure(round, run, paint)),
    )
  );
};

const quantiles = ({ times }: Distribution): Content[] => [
  times.count,
  ...[quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99), times.max].map(duration),
];

const quantileColumns = ['times', 'median', 'p95', 'p99', 'longest'].map((name) => ({ name, isNumber: true }));

const sentence = (each: Distribution, name: string): string =>
  `${name}: ${counted(each.times.count, 'time')}, median ${duration(quantile(each.times, 0.5))}, p95 ${duration(quantile(each.times, 0.95))}, longest ${duration(each.times.max)}`;

const latencySection = ({ commands }: ReportData, paint: Paint): Content => {
  if (commands.length === 0) return undefined;
  const pairs = new Map(commands.map((each) => [JSON.stringify([each.test, each.of]), each]));
  return section(
    'Latency of commands',
    markup`<p>
      The share of commands of a class that were completed within a time, of those that were ok or timed out. Times are
      kept to within 1 %. The dashed red line is at ${boundMs / 1000} s.
    </p>`,
    markup`<div class="pair">
      ${[...pairs.values()].map(({ test, of }) => {
        const mine = commands.filter((each) => each.test === test && each.of === of);
        const shown = evenly(mine, maxCurves);
        const left =
          mine.length > shown.length ? ` Drawn are ${shown.length} of ${mine.length} rounds; the table has all.` : '';
        const heading = `${visible(test, 100)}: ${visible(of, 100)}`;
        return figure(
          heading,
          paint(
            distributionPicture(shown, 'time to completion', boundMs),
            `Latency of ${heading}, the share completed by time. ${shown.map((each) => sentence(each, `round ${each.round}`)).join('; ')}.`,
          ),
          legend(shown.map(({ round }, at) => Object.assign(curveLook(at), { name: `round ${round}` }))),
          `${counted(
            mine.reduce((sum, { times }) => sum + times.count, 0),
            'command',
          )} over ${counted(mine.length, 'round')}.${left}`,
          false,
        );
      })}
    </div>`,
    table(
      'Time from opening the connection, or from the request of a later command, to completion',
      [{ name: 'commands' }, ...quantileColumns],
      commands.map((each) => [nameOf(each), ...quantiles(each)]),
    ),
  );
};

const timelineSection = ({ timeline, records, run }: ReportData, paint: Paint): Content => {
  if (timeline.sessions.length === 0) return undefined;
  const perSecond = (counts: readonly number[]): string => number((Math.max(...counts) * 1000) / timeline.widthMs);
  const told = `${counted(records.sessions, 'session')} over ${duration(run.durationMs)}, at most ${perSecond(timeline.sessions)} sessions and ${perSecond(timeline.lines)} lines a second`;
  return section(
    'Over time',
    figure(
      'Sessions and lines a second',
      paint(timelinePicture(timeline), `Sessions that ended and lines received over time: ${told}.`),
      undefined,
      `${told}; counted over ${duration(timeline.widthMs)} each. A session and its lines count when it ends, those of cases too.`,
    ),
  );
};

const controlsSection = ({ controls }: ReportData, paint: Paint): Content =>
  controls.length > 0 &&
  section(
    'Controls',
    markup`<p>From the request of a PAUSE, RESUME or CANCEL to its acknowledgement.</p>`,
    markup`<div class="pair">
      ${testsOf(controls).map((test) => {
        const mine = controls.filter((each) => each.test === test);
        const shown = mine.slice(0, maxCurves);
        return figure(
          `${visible(test, 100)}: controls`,
          paint(
            distributionPicture(shown, 'time to the acknowledgement'),
            `Latency of controls of ${visible(test, 100)}, the share acknowledged by time. ${shown.map((each) => sentence(each, visible(each.of, 100))).join('; ')}.`,
          ),
          legend(shown.map(({ of }, at) => Object.assign(curveLook(at), { name: visible(of, 100) }))),
          `${counted(
            mine.reduce((sum, { times }) => sum + times.count, 0),
            'control',
          )}.`,
          false,
        );
      })}
    </div>`,
    table(
      'Time from the request of a control to its acknowledgement',
      [{ name: 'controls' }, ...quantileColumns],
      controls.map((each) => [nameOf(each), ...quantiles(each)]),
    ),
  );

const slopeOf = ({ slopeBytes, lowBytes, highBytes }: MemoryRecord): string => {
  if (slopeBytes === undefined) return 'too little was read to tell a slope';
  const interval =
    lowBytes === undefined || highBytes === undefined
      ? ''
      : `, 95 % interval ${bytes(lowBytes)} to ${bytes(highBytes)}`;
  return `slope ${bytes(slopeBytes)} a session${interval}`;
};

const memorySection = ({ memory }: ReportData, paint: Paint): Content => {
  const drawn = memory.filter(({ samples }) => samples.length > 0);
  return (
    drawn.length > 0 &&
    section(
      'Memory of the service',
      drawn.map((record) => {
        const name = `${visible(record.test, 100)}: ${visible(record.case, 100)}`;
        const resident = record.samples.map(([, , size]) => size);
        const sessions = Math.max(...record.samples.map(([, finished]) => finished));
        const told = `${counted(record.samples.length, 'reading')} over ${counted(sessions, 'session')}, ${bytes(Math.min(...resident))} to ${bytes(Math.max(...resident))}, ${slopeOf(record)}`;
        return figure(
          name,
          paint(memoryPicture(record), `Resident memory of the service by sessions finished, ${name}: ${told}.`),
          legend([
            { name: 'a reading', colour: 'c4' },
            ...(record.slopeBytes === undefined
              ? []
              : [
                  {
                    name: 'slope behind the warm-up, drawn through the median of these readings',
                    colour: 'c2' as const,
                    dash: [7, 4],
                  },
                ]),
          ]),
          `${told}.`,
        );
      }),
    )
  );
};

const lineEnd = new Markup('\n');

const preformatted = (lines: readonly string[]): Markup => markup`<pre>${lines.map((line) => [line, lineEnd])}</pre>`;

const traceOf = (lines: readonly string[]): Content =>
  lines.length > 0
    ? markup`<details>
        <summary>its messages</summary>
        ${preformatted(lines)}
      </details>`
    : undefined;

const failuresSection = ({ failures, hasRecords }: ReportData): Content =>
  section(
    'Failures',
    failures.length > 0
      ? failures.map(
          ({ kind, count, examples }) =>
            markup`<h3>${kind}: ${counted(count, 'session')}</h3>
              <ul>
                ${examples.map(
                  ({ where, command, outcome, trace }) =>
                    markup`<li>${where} (<code>${command}</code>): ${outcome}${traceOf(trace)}</li>`,
                )}
              </ul>
              ${count > examples.length ? markup`<p class="quiet">The first ${examples.length} of ${count}.</p>` : undefined}`,
        )
      : markup`<p>
          ${hasRecords ? 'No record tells of a failed session.' : 'Without records there is nothing to tell of single sessions.'}
        </p>`,
  );

const findingOrder = ['breaking', 'bypass', 'inconclusive', 'deviating', 'not-run', 'not-applicable'];

const findingsSection = ({ findings, run }: ReportData): Content => {
  if (run.findings.length + findings.length === 0) return undefined;
  const sorted = findings.toSorted((a, b) => findingOrder.indexOf(a.finding) - findingOrder.indexOf(b.finding));
  return section(
    'Findings',
    run.findings.length > 0 &&
      table(
        'What the cases of each scenario came to',
        [
          { name: 'scenario' },
          ...['conforming', 'deviating', 'bypass', 'breaking'].map((name) => ({ name, isNumber: true })),
        ],
        run.findings.map(({ test, conforming, deviating, bypass, breaking }) => [
          visible(test, 100),
          conforming,
          deviating,
          bypass,
          breaking,
        ]),
      ),
    sorted.map(({ finding, test, count, first }) => {
      const isAsked = !finding.startsWith('not-');
      const columns = isAsked ? ['case', 'section', 'expected', 'received'] : ['case', 'because'];
      const which = count > first.length ? `, the first ${first.length}` : '';
      return [
        markup`<h3>${finding}: ${visible(test, 100)}</h3>`,
        table(
          `${finding} in ${visible(test, 100)}: ${counted(count, 'case')}${which}`,
          columns.map((name) => ({ name })),
          first.map(({ case: name, section: where, expected, received, trace = [] }) => {
            const came = markup`${visible(received)}${traceOf(trace.slice(0, 40).map((line) => visible(line, 320)))}`;
            return isAsked
              ? [visible(name, 100), visible(where, 200), visible(expected), came]
              : [visible(name, 100), came];
          }),
        ),
      ];
    }),
  );
};

const generatorText = ({ run: { generator } }: ReportData): Content[][] => {
  if (generator === undefined) return [];
  const { cores, cpuSeconds, residentBytes, busiestShare, tooBusyShare } = generator;
  return [
    ['generator: processor time', `${number(cpuSeconds)} s, of ${counted(cores, 'core')}`],
    ['generator: memory at most', bytes(residentBytes)],
    ...(busiestShare === undefined
      ? []
      : [['generator: busiest five seconds', `${percent(busiestShare)} of all cores`]]),
    ...(tooBusyShare === undefined ? [] : [['generator: too busy', `${percent(tooBusyShare)} of the time`]]),
  ];
};

const machineText = ({ run: { machine } }: ReportData): Content[][] =>
  machine === undefined
    ? []
    : [
        ['machine', visible(machine.system)],
        ['processor', `${visible(machine.cpu)}, ${counted(machine.cores, 'core')}`],
        ['memory', bytes(machine.memoryBytes)],
      ];

const utc = (instant: string): string => visible(instant.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC'), 40);

const runSection = (data: ReportData): Content => {
  const { run } = data;
  const { name, version } = run.service;
  const settings = Object.entries(run.settings);
  const outcomes = Object.entries(run.outcomes);
  return section(
    'The run',
    table(
      'What ran, where, and against what',
      [{ name: 'fact' }, { name: 'value' }],
      [
        ['run', visible(run.run)],
        ['marker', visible(run.marker)],
        ['began', utc(run.startedAt)],
        ['took', duration(run.durationMs)],
        ['address', visible(shownUrl(run.url))],
        ['service', visible([name, version].filter(Boolean).join(' ')) || 'did not say'],
        ['ws-stress', visible(run.suiteVersion ?? 'not told')],
        ['k6', visible(run.k6Version ?? 'not told')],
        ...(run.bundle === undefined ? [] : [['bundle, SHA-256 begins', markup`<code>${visible(run.bundle)}</code>`]]),
        ...machineText(data),
        ...generatorText(data),
      ],
    ),
    settings.length > 0
      ? table(
          'Settings that were given',
          [{ name: 'setting' }, { name: 'value' }],
          settings.map(([key, value]) => [
            markup`<code>${visible(key)}</code>`,
            markup`<code>${visible(value)}</code>`,
          ]),
        )
      : markup`<p>No setting was given: all have their defaults.</p>`,
    outcomes.length > 0 &&
      table(
        'Sessions by outcome, those of cases too',
        [{ name: 'outcome' }, { name: 'sessions', isNumber: true }],
        outcomes.map(([kind, count]) => [visible(kind), count]),
      ),
    run.measured.length > 0 &&
      table(
        'Measured beside the durations',
        [{ name: 'scenario' }, { name: 'figure' }, { name: 'value', isNumber: true }],
        run.measured.map(({ test, label, value, unit }) => [
          visible(test, 100),
          visible(label),
          unit === 'ms' ? duration(value) : `${number(value)} ${visible(unit, 40)}`,
        ]),
      ),
  );
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
  section(
    'Said beside the records',
    markup`${preformatted(said.first)}
      ${said.count > said.first.length ? markup`<p class="quiet">The first ${said.first.length} of ${said.count} lines.</p>` : undefined}`,
  );

/** A report of a run: one page that needs nothing else, no network and no script. */
export const reportPage = (data: ReportData, draw: Draw): string => {
  const { run } = data;
  const paint = pictures(draw);
  const criteria = run.criteria.length === 1 ? '1 criterion' : `${run.criteria.length} criteria`;
  const holding = run.criteria.filter(({ status: of }) => of === 'PASS').length;
  const title = `${visible(run.test, 100)}: ${run.verdict}`;
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
        <title>${title}, run ${visible(run.run, 100)}</title>
        <style>
          ${new Markup(reportStyle)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="verdict">${status(run.verdict)}: ${meaningOfRun(run)}. ${holding} of ${criteria} hold${succeeded}.</p>
          <p class="quiet">
            Run ${visible(run.run, 100)}, ${utc(run.startedAt)}, ${duration(run.durationMs)}, against
            ${visible(shownUrl(run.url))}
          </p>
          ${notes(data)}
        </header>
        <main>
          ${successSection(data)}${criteriaSection(data)}${roundsSection(data)}${sessionsSection(data, paint)}${latencySection(data, paint)}${timelineSection(data, paint)}${controlsSection(data, paint)}${memorySection(data, paint)}${failuresSection(data)}${findingsSection(data)}${saidSection(data)}${allCriteriaSection(data)}${runSection(data)}
        </main>
      </body>
    </html>
`.text;
};
