import { cutTo, plain } from '../../lib/text/visible.ts';

/** Text that is HTML already: what `markup` makes. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template of HTML: whatever is no markup is text. */
export type Content = Markup | string | number | false | undefined | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text that came from elsewhere, of at most so many characters, with what could not be seen in it made visible. */
export const visible = (text: string, maxLength = 500): string => cutTo(plain(text), maxLength);

const rendered = (content: Content): string => {
  if (content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'object') return content.map(rendered).join('');
  return visible(String(content), 1000).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
};

/**
 * A template of HTML: what is put into it is shown as text of at most 1000 characters, in elements and in quoted attributes,
 * unless it is markup itself.
 */
export const markup = (strings: TemplateStringsArray, ...values: Content[]): Markup =>
  new Markup(strings.reduce((before, part, at) => before + rendered(values[at - 1]) + part));
