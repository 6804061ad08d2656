import { counted } from '../text/quantities.ts';
import type { Cause, Result } from './result-schema.ts';

/** What is said of a cause below its sentence, one label a line. */
export interface LabelledText {
  label: 'where' | 'expected' | 'received' | 'sent' | 'got' | 'do' | 'see';
  text: string;
}

/** A cause as a reader sees it: its sentence, and what is known of it. */
export interface ShownCause {
  cause: Cause;
  sentence: string;
  lines: LabelledText[];
}

/** What the end of a run says, causes first. */
export interface Closing {
  verdict: Result['verdict'];
  sentence: string;
  causes: ShownCause[];
  /** `2 more problems, and 5 cases that were not asked`; absent where all are shown. */
  more?: string;
  /** Of a run that passed: what that proves. */
  proven: readonly string[];
}

/** What is known of a cause, in the order in which it is read. */
export const causeLines = (cause: Cause): LabelledText[] => {
  const { place, expected, received, messageSent, messageReceived, advice, link, sentence } = cause;
  const lines: [LabelledText['label'], string | undefined][] = [
    ['expected', expected],
    ['received', received !== undefined && sentence.endsWith(received) ? undefined : received],
    ['sent', messageSent],
    ['got', messageReceived],
    ['where', place],
    ['do', advice],
    ['see', link],
  ];
  return lines.flatMap(([label, text]) => (text === undefined || text === '' ? [] : [{ label, text }]));
};

const moreText = (left: readonly Cause[]): string | undefined => {
  const problems = left.filter(({ weight }) => weight === 'failure').length;
  const others = left.length - problems;
  const parts = [
    ...(problems > 0 ? [counted(problems, 'more problem')] : []),
    ...(others > 0 ? [counted(others, 'note')] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(' and ');
};

/** The end of a run: its sentence and the main causes, which are those that decided, and warnings; of a run that passed what it tolerated. */
export const closingOf = (result: Result, most = 3): Closing => {
  const { verdict, sentence, causes, proven } = result;
  const isTelling = ({ weight }: Cause): boolean =>
    weight === 'failure' || weight === 'warning' || (weight === 'tolerated' && verdict === 'PASS');
  const telling = causes.filter(isTelling);
  const shown = telling.slice(0, most);
  const more = moreText(causes.filter((cause) => !shown.includes(cause)));
  return {
    verdict,
    sentence,
    causes: shown.map((cause) => ({
      cause,
      sentence: cause.weight === 'tolerated' ? `tolerated: ${cause.sentence}` : cause.sentence,
      lines: causeLines(cause),
    })),
    ...(more !== undefined && { more }),
    proven,
  };
};
