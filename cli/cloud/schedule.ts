import { Cron } from 'croner';
import * as v from 'valibot';
import { innermostMessage } from '../../lib/text/errors.ts';

const instant = v.pipe(v.string(), v.isoTimestamp('a time with its offset, such as 2027-01-31T03:00:00Z'));
const positive = v.pipe(v.number(), v.integer(), v.minValue(1));

const frequencies = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'] as const;
const weekdays = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

/** When a test runs, as cloud.json has it: once, by cron, or by a recurrence rule. */
export const scheduleSchema = v.strictObject({
  starts: v.pipe(instant, v.description('When the schedule begins; without cron and recurrence, the one run')),
  cron: v.optional(
    v.strictObject({
      expression: v.pipe(
        v.string(),
        v.maxLength(256),
        v.description('Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly'),
      ),
      timeZone: v.pipe(v.string(), v.maxLength(128), v.description('An IANA name, such as Europe/Berlin')),
    }),
  ),
  recurrence: v.optional(
    v.strictObject({
      frequency: v.picklist(frequencies),
      interval: v.optional(v.pipe(positive, v.description('Every so many hours, days, …; 1 where absent'))),
      days: v.optional(v.pipe(v.array(v.picklist(weekdays)), v.minLength(1), v.description('The weekdays of WEEKLY'))),
      until: v.optional(v.pipe(instant, v.description('No run after it'))),
      count: v.optional(v.pipe(positive, v.description('So many runs'))),
    }),
  ),
});
export type Schedule = v.InferOutput<typeof scheduleSchema>;

/** A load test's schedule in the cloud, as the API has it. */
export const cloudScheduleSchema = v.object({
  id: v.pipe(v.number(), v.integer()),
  starts: v.string(),
  deactivated: v.boolean(),
  cron: v.nullable(v.object({ schedule: v.string(), time_zone: v.string() })),
  recurrence_rule: v.nullable(
    v.object({
      frequency: v.string(),
      interval: v.optional(v.number()),
      byday: v.nullish(v.array(v.string())),
      until: v.nullish(v.string()),
      count: v.nullish(v.number()),
    }),
  ),
});
export type CloudSchedule = v.InferOutput<typeof cloudScheduleSchema>;

const aliases: ReadonlySet<string> = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@hourly']);

const isTimeZone = (name: string): boolean => {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
};

const cronProblem = (expression: string): string | undefined => {
  const expected = 'expected five fields, such as 0 3 * * 1-5, or an alias, such as @daily';
  const shown = JSON.stringify(expression);
  if (aliases.has(expression)) return undefined;
  // The library knows more than cron does; the cloud does not.
  if (expression.startsWith('@') || !/^[\dA-Za-z*,/ -]+$/.test(expression)) return `${expected}; received ${shown}`;
  if (/(^|[ ,])L|[\dL][LW]/i.test(expression)) return `${expected}; received ${shown}`;
  try {
    const next = new Cron(expression, { paused: true, mode: '5-part', timezone: 'UTC' }).nextRun();
    return next === null ? `expected a time that comes; ${shown} never does` : undefined;
  } catch (error) {
    return `${expected}; received ${shown}: ${innermostMessage(error).replace(/^CronPattern: /, '')}`;
  }
};

/** Whether a time of the right form exists: JavaScript takes the 30th of February for the 2nd of March. */
const exists = (instant: string): boolean => {
  const [year = 0, month = 0, day = 0] = instant.split(/\D/, 3).map(Number);
  return !Number.isNaN(Date.parse(instant)) && new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
};

const instantProblems = (name: string, instant: string | undefined): string[] =>
  instant === undefined || exists(instant)
    ? []
    : [`${name}: expected a time that exists, such as 2027-01-31T03:00:00Z; received ${JSON.stringify(instant)}`];

/** What is wrong with a schedule whose form is right. */
export const scheduleProblems = ({ starts, cron, recurrence }: Schedule): string[] => {
  const cronWrong = cron && cronProblem(cron.expression);
  const { frequency, days, until, count } = recurrence ?? {};
  return [
    ...instantProblems('starts', starts),
    ...instantProblems('recurrence.until', until),
    ...(cron && recurrence ? ['expected cron or recurrence, received both'] : []),
    ...(cronWrong === undefined ? [] : [`cron.expression: ${cronWrong}`]),
    ...(cron && !isTimeZone(cron.timeZone)
      ? [`cron.timeZone: expected an IANA name, such as Europe/Berlin; received ${JSON.stringify(cron.timeZone)}`]
      : []),
    ...(days && frequency !== 'WEEKLY' ? [`recurrence.days: expected with WEEKLY; received with ${frequency}`] : []),
    ...(until !== undefined && count !== undefined
      ? ['recurrence: expected until or count, by which it ends; received both']
      : []),
    ...(until !== undefined && Date.parse(until) <= Date.parse(starts)
      ? [`recurrence.until: expected a time after starts, ${starts}; received ${until}`]
      : []),
  ];
};

const iso = (text: string): string => new Date(text).toISOString();

/** A schedule as the API takes it, whole: what is absent is said to be. */
export const scheduleRequest = ({ starts, cron, recurrence }: Schedule) => ({
  starts: iso(starts),
  cron: cron ? { schedule: cron.expression, time_zone: cron.timeZone } : null,
  recurrence_rule: recurrence
    ? {
        frequency: recurrence.frequency,
        interval: recurrence.interval ?? 1,
        byday: recurrence.days ?? null,
        until: recurrence.until === undefined ? null : iso(recurrence.until),
        count: recurrence.count ?? null,
      }
    : null,
});

/** A schedule as the API takes it. */
export type ScheduleRequest = ReturnType<typeof scheduleRequest>;

/** What is compared of a schedule. */
type ToldSchedule = Pick<CloudSchedule, 'starts' | 'cron' | 'recurrence_rule'>;

const compared = ({ starts, cron, recurrence_rule: rule }: ToldSchedule): string =>
  JSON.stringify([
    Date.parse(starts),
    cron && [cron.schedule, cron.time_zone],
    rule && [
      rule.frequency,
      rule.interval ?? 1,
      [...new Set(rule.byday)].sort(),
      rule.until ? Date.parse(rule.until) : null,
      rule.count ?? null,
    ],
  ]);

/** Whether two schedules are the same, however their times are written. */
export const isSameSchedule = (a: ToldSchedule, b: ToldSchedule): boolean => compared(a) === compared(b);

/** A schedule in words. */
export const scheduleWords = ({ starts, cron, recurrence_rule: rule }: ToldSchedule): string => {
  if (cron) return `cron ${cron.schedule} ${cron.time_zone}, from ${starts}`;
  if (!rule) return `once, ${starts}`;
  const { frequency, interval = 1, byday, until, count } = rule;
  return [
    `${frequency}${interval === 1 ? '' : ` / ${interval}`}`,
    ...(byday?.length ? [byday.join(' ')] : []),
    `from ${starts}`,
    ...(until ? [`until ${until}`] : []),
    ...(count ? [`${count} times`] : []),
  ].join(', ');
};
