/** A client that does the work of a comparison: `run` does it once and returns its figure. */
export interface Contestant {
  name: string;
  run: () => Promise<number>;
}

/** The same work, done by us and by others. */
export interface Comparison {
  work: string;
  unit: string;
  /** Whether more of the unit is better. */
  better: 'more' | 'less';
  /** Ours first. */
  contestants: readonly Contestant[];
  /** Goals by contestant, ours to theirs: at least where more is better, else at most. Without one, the ratio is only shown. */
  reach: Readonly<Record<string, number>>;
  /** The goal of our own figure: at least where more is better, else at most. */
  own?: number;
}

/** A row of the table. */
export interface Row {
  work: string;
  against: string;
  ours: number;
  theirs: number | undefined;
  unit: string;
  /** Ours to theirs: the median of the repeats, the least and the most. */
  ratio: readonly [median: number, least: number, most: number] | undefined;
  reach: string;
  isReached: boolean | undefined;
}

/** The middle one, or between the two in the middle. */
const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
};

/**
 * Lets the contestants take turns, each repeat beginning with another one; returns the figures of each repeat by contestant. Reports
 * one that fails, and leaves it out from then on.
 */
export const runInTurn = async (
  contestants: readonly Contestant[],
  repeats: number,
  tell: (text: string) => void,
): Promise<ReadonlyMap<string, number[]>> => {
  const figures = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const index of contestants.keys()) {
      const contestant = contestants[(index + repeat) % contestants.length];
      const mine = contestant && figures.get(contestant.name);
      if (!contestant || !mine) continue;
      try {
        const figure = await contestant.run();
        mine.push(figure);
        tell(`  ${repeat + 1}/${repeats} ${contestant.name}: ${figure.toFixed(figure < 100 ? 2 : 0)}`);
      } catch (error) {
        figures.delete(contestant.name);
        tell(`  left out: ${contestant.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return figures;
};

/** The rows of a comparison: one for our own goal, if any, and one for each other contestant. */
export const rowsOf = (
  { work, unit, better, contestants, reach, own }: Comparison,
  figures: ReadonlyMap<string, readonly number[]>,
): Row[] => {
  const [first, ...others] = contestants;
  const ours = figures.get(first?.name ?? '') ?? [];
  const sign = better === 'more' ? '≥' : '≤';
  const middle = median(ours);
  const alone: Row[] =
    own === undefined
      ? []
      : [
          {
            work,
            unit,
            ours: middle,
            against: '',
            theirs: undefined,
            ratio: undefined,
            reach: `${sign} ${Number(own.toFixed(1))} ${unit}`,
            isReached: better === 'more' ? middle >= own : middle <= own,
          },
        ];
  return alone.concat(
    others.map(({ name }) =>
      rowAgainst({ work, unit, better, sign, wanted: reach[name] }, ours, name, figures.get(name) ?? []),
    ),
  );
};

/** The row of ours against another's; figures of the same repeat belong together. */
const rowAgainst = (
  {
    work,
    unit,
    better,
    sign,
    wanted,
  }: Pick<Comparison, 'work' | 'unit' | 'better'> & { sign: string; wanted: number | undefined },
  ours: readonly number[],
  name: string,
  theirs: readonly number[],
): Row => {
  const whole = theirs.length > 0 && theirs.length === ours.length;
  const ratios = whole ? ours.map((each, repeat) => each / (theirs[repeat] ?? NaN)) : [];
  const middle = median(ratios);
  return {
    work,
    unit,
    ours: median(ours),
    against: name,
    theirs: whole ? median(theirs) : undefined,
    ratio: whole ? [middle, Math.min(...ratios), Math.max(...ratios)] : undefined,
    reach: wanted === undefined ? '' : `${sign} ${wanted} ×`,
    isReached: wanted === undefined || !whole ? undefined : better === 'more' ? middle >= wanted : middle <= wanted,
  };
};

const figure = (value: number | undefined): string =>
  value === undefined ? '–' : value < 100 ? value.toFixed(1) : String(Math.round(value));

/** The rows as a Markdown table. */
export const tableOf = (rows: readonly Row[]): string =>
  [
    '| work | ours | against | theirs | ratio (least to most) | to reach | reached |',
    '| --- | ---: | --- | ---: | ---: | ---: | --- |',
    ...rows.map(({ work, ours, unit, against, theirs, ratio, reach, isReached }) => {
      const shown = ratio?.map((value) => value.toFixed(2));
      const cells = [
        work,
        `${figure(ours)} ${unit}`,
        against,
        theirs === undefined ? '–' : `${figure(theirs)} ${unit}`,
        shown ? `${shown[0]} (${shown[1]} to ${shown[2]})` : '–',
        reach,
        isReached === undefined ? '' : isReached ? 'yes' : '**no**',
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  ].join('\n');
