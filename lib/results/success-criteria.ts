import { parseExpression } from '../load/thresholds.ts';
import { criterionStatuses } from './criterion-status.ts';
import type { JudgedCriterion, SuccessCriterion } from './record-schema.ts';

type Part = (criterion: JudgedCriterion) => boolean;

const metricOf = ({ selector }: JudgedCriterion): string => selector.replace(/\{.*/, '');

/** The tests and metrics that each of the six success criteria rests on; all of its parts must be there. */
const parts: readonly {
  title: string;
  needs: readonly [test: string, metric: string][];
  of: Part;
  tellsMost: RegExp;
}[] = [
  {
    title: 'All single session tests pass',
    needs: [['single', 'session_success']],
    of: ({ test }) => test === 'single',
    tellsMost: /^session_success/,
  },
  {
    title: '90 %+ success rate for concurrent sessions',
    needs: [['concurrent', 'session_success']],
    of: (each) => each.test === 'concurrent' && metricOf(each) === 'session_success',
    tellsMost: /round/,
  },
  {
    title: 'Process control works reliably',
    needs: [
      ['process-control', 'session_success'],
      ['process-control', 'findings'],
    ],
    of: ({ test }) => test === 'process-control',
    tellsMost: /^session_success/,
  },
  {
    title: "High output doesn't cause memory issues",
    needs: [
      ['high-output', 'session_success'],
      ['high-output', 'findings'],
      ['memory', 'findings'],
    ],
    of: ({ test }) => test === 'high-output' || test === 'memory',
    tellsMost: /case:leak/,
  },
  {
    title: 'No crashes or hangs',
    needs: [
      ['concurrent', 'timeouts'],
      ['service-down', 'findings'],
      ['conformance', 'findings'],
    ],
    of: (each) =>
      ['timeouts', 'unsettled'].includes(metricOf(each)) ||
      /^sessions\{[^}]*outcome:closed/.test(each.selector) ||
      (['service-down', 'conformance'].includes(each.test) &&
        /^findings\{[^}]*finding:breaking/.test(each.selector) &&
        !each.selector.includes('case:')),
    tellsMost: /^timeouts/,
  },
  {
    title: 'Response times remain reasonable (<5 s for simple commands)',
    needs: [
      ['single', 'command_duration'],
      ['concurrent', 'command_duration'],
    ],
    of: (each) => metricOf(each) === 'command_duration' && each.selector.includes('class:simple'),
    tellsMost: /^command_duration/,
  },
];

/** How far a criterion is from not holding, as a share of its limit; less is nearer. */
const margin = ({ expression, observed = 0 }: JudgedCriterion): number => {
  const { operator = '', limit = 0 } = parseExpression(expression) ?? {};
  const distance = operator.startsWith('>') || operator.startsWith('==') ? observed - limit : limit - observed;
  return distance / Math.max(1, Math.abs(limit));
};

/** Of several criteria the one that is nearest to not holding. */
const nearest = (criteria: readonly JudgedCriterion[]): JudgedCriterion | undefined => {
  const [first] = criteria.toSorted((a, b) => margin(a) - margin(b));
  return first;
};

/**
 * The six success criteria of the stress test, by the criteria of a suite run: each is the worst of its parts, and NOT RUN
 * where a test that it rests on was left out.
 */
export const successCriteria = (judged: readonly JudgedCriterion[], tests: readonly string[]): SuccessCriterion[] =>
  parts.map(({ title, needs, of, tellsMost }) => {
    // Where no failure is kept, recovery leaves nothing out.
    const mine = judged.filter((each) => of(each) && !(each.test === 'recovery' && each.status.startsWith('NOT ')));
    const missing = needs.filter(
      ([test, metric]) => !mine.some((each) => each.test === test && metricOf(each) === metric),
    );
    const left = [...new Set(missing.map(([test, metric]) => (tests.includes(test) ? `${test} ${metric}` : test)))];
    const worst = criterionStatuses.find((status) => mine.some((each) => each.status === status)) ?? 'NOT RUN';
    const status =
      left.length > 0 && criterionStatuses.indexOf(worst) > criterionStatuses.indexOf('NOT RUN') ? 'NOT RUN' : worst;
    const deciding = mine.filter((each) => each.status === status);
    const decidedBy = nearest(deciding.filter(({ selector }) => tellsMost.test(selector))) ?? nearest(deciding);
    return decidedBy ? { title, status, decidedBy, left } : { title, status, left };
  });
