import type { Changes, Result } from '../../lib/results/result-schema.ts';
import { counted, duration, percent, quantity } from '../../lib/text/quantities.ts';
import type { ReportData } from './gather.ts';

/** A figure that a reader looks for first. */
export interface KeyFigure {
  label: string;
  value: string;
  details: string[];
  /** Since the last run that can be compared. */
  change?: { text: string; look: 'good' | 'bad' | '' };
}

const looks = { better: 'good', worse: 'bad', same: '' } as const;

/** How a figure changed; too few runs to tell that from chance make it neither good nor bad. */
const changeOf = (changes: Changes | undefined, names: RegExp): Pick<KeyFigure, 'change'> => {
  const found = changes?.figures.find(({ name }) => names.test(name));
  if (changes === undefined || found === undefined) return {};
  const { before, direction, percent: by } = found;
  if (direction === 'same') return { change: { text: `as before (${before})`, look: '' } };
  const much = by === undefined ? '' : ` (${by > 0 ? '+' : '−'}${Math.abs(Math.round(by))} %)`;
  return {
    change: { text: `${direction}: was ${before}${much}`, look: changes.status === 'too few' ? '' : looks[direction] },
  };
};

/** At most these many, so that all are seen at once. */
const most = 4;

const sentenceCase = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/**
 * At most four figures: success, throughput, the time of simple commands and the worst round;
 * of cases their findings, and what they measured.
 */
export const keyFigures = ({ data: { run }, result }: { data: ReportData; result: Result }): KeyFigure[] => {
  const { figures, changes } = result;
  const { sessions, failed, successRate, sessionsPerSecond, simpleCommands, worstRound } = figures;
  const cases = { all: 0, conforming: 0 };
  for (const { conforming, deviating, bypass, breaking } of run.findings) {
    cases.all += conforming + deviating + bypass + breaking;
    cases.conforming += conforming;
  }
  const all: (KeyFigure | undefined)[] = [
    sessions === 0
      ? undefined
      : {
          label: 'Sessions succeeded',
          value: percent(successRate),
          details: [`${sessions - failed} of ${counted(sessions, 'session')}`],
          ...changeOf(changes, /succe/i),
        },
    cases.all === 0 || run.verdict === 'NOT RUN'
      ? undefined
      : {
          label: 'Cases as specified',
          value: `${cases.conforming} of ${cases.all}`,
          details: [],
          ...changeOf(changes, /cases/i),
        },
    sessionsPerSecond === undefined
      ? undefined
      : {
          label: 'Throughput',
          value: `${Number(sessionsPerSecond.toPrecision(3))}/s`,
          details: ['sessions per second'],
          ...changeOf(changes, /per second/i),
        },
    simpleCommands === undefined
      ? undefined
      : {
          label: simpleCommands.p95Ms === undefined ? 'Median of simple commands' : 'p95 of simple commands',
          value: duration(simpleCommands.p95Ms ?? simpleCommands.p50Ms),
          details: [
            [
              ...(simpleCommands.p95Ms === undefined ? [] : [`median ${duration(simpleCommands.p50Ms)}`]),
              ...(simpleCommands.p99Ms === undefined ? [] : [`p99 ${duration(simpleCommands.p99Ms)}`]),
              `of ${counted(simpleCommands.count, 'command')}`,
            ].join(', '),
          ],
          ...changeOf(changes, /^p95/i),
        },
    worstRound === undefined
      ? undefined
      : {
          label: 'Worst round',
          value: `${percent(worstRound.successRate)} success`,
          details: [
            `${worstRound.scenario} ${worstRound.round}: ${worstRound.label}${worstRound.p95Ms === undefined ? '' : `, p95 ${duration(worstRound.p95Ms)}`}`,
          ],
        },
  ];
  const known = all.filter((each) => each !== undefined);
  const others = run.measured.map(({ test, label, value, unit }): KeyFigure => ({
    label: sentenceCase(label),
    value: quantity(value, unit),
    details: test === run.test ? [] : [test],
  }));
  return [...known, ...others].slice(0, most);
};
