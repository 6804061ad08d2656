import type { Result } from '../../lib/results/result-schema.ts';
import { printable } from '../shared/printable.ts';
import { xmlText } from '../shared/xml.ts';

const colours: Readonly<Record<Result['verdict'], string>> = {
  PASS: '#2e7d32',
  FAIL: '#c62828',
  INVALID: '#8a6100',
  'NOT RUN': '#616161',
  'NOT APPLICABLE': '#616161',
};

const words: Readonly<Record<Result['verdict'], string>> = {
  PASS: 'pass',
  FAIL: 'fail',
  INVALID: 'invalid',
  'NOT RUN': 'not run',
  'NOT APPLICABLE': 'not applicable',
};

/** The width of a text in Verdana of 11 pixels, about; `textLength` makes it exact. */
const widthOf = (text: string): number => Math.round(text.length * 6.6);

const textAt = (content: string, x: number, width: number): string =>
  `<text x="${x}" y="14" textLength="${width - 12}" lengthAdjust="spacingAndGlyphs">${xmlText(content)}</text>`;

/** The verdict of a run as a badge, SVG: the scenario, and the verdict on its colour; its title is the result's sentence. */
export const badgeSvg = ({ test, verdict, sentence }: Result): string => {
  const [label, value] = [printable(test, 40), words[verdict]];
  const [left, right] = [widthOf(label) + 12, widthOf(value) + 12];
  const title = xmlText(printable(sentence, 300));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<clipPath id="r"><rect width="${left + right}" height="20" rx="3"/></clipPath>`,
    `<g clip-path="url(#r)"><rect width="${left}" height="20" fill="#424242"/><rect x="${left}" width="${right}" height="20" fill="${colours[verdict]}"/></g>`,
    `<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`,
    textAt(label, left / 2, left),
    textAt(value, left + right / 2, right),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
};
