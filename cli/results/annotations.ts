import { causeLines } from '../../lib/results/closing.ts';
import type { Cause, Result } from '../../lib/results/result-schema.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';

/** GitHub shows ten annotations of a kind for each step. */
const most = 10;

const ofData = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

const ofProperty = (text: string): string => ofData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

const annotation = (command: 'error' | 'warning' | 'notice', title: string, lines: readonly string[]): string =>
  `::${command} title=${ofProperty(printable(title, 200))}::${ofData(lines.map((line) => printable(line, outcomeCharacters)).join('\n'))}`;

const ofCause = (cause: Cause): string =>
  annotation(
    cause.weight === 'warning' ? 'warning' : 'error',
    cause.sentence,
    causeLines(cause).map(({ label, text }) => `${label}: ${text}`),
  );

/**
 * A result as workflow commands of GitHub Actions, a line each: an error for each cause that decided the verdict, warnings, and a
 * notice of a run that passed.
 */
export const githubAnnotations = ({ test, verdict, sentence, causes, proven }: Result): string => {
  const title = `ws-stress ${test}`;
  const telling = causes.filter(({ weight }) => weight === 'failure' || weight === 'warning').slice(0, most);
  const isError = verdict === 'FAIL' || verdict === 'INVALID' || verdict === 'NOT RUN';
  const lines =
    verdict === 'PASS'
      ? [annotation('notice', title, [sentence, ...proven])]
      : telling.some(({ weight }) => weight === 'failure')
        ? []
        : [annotation(isError ? 'error' : 'notice', title, [sentence])];
  return [...lines, ...telling.map(ofCause), ''].join('\n');
};
