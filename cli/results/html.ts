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

// What a browser would not show, or what turns the text around it.
const unseen =
  // oxlint-disable-next-line no-control-regex -- they are what is made visible
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const pictured = (character: string): string => {
  const code = character.charCodeAt(0);
  // Unicode has pictures of the first control characters.
  return code < 0x20 ? String.fromCharCode(0x24_00 + code) : `\\u${code.toString(16).padStart(4, '0')}`;
};

/** A text that came from elsewhere, of at most so many characters, with what could not be seen in it made visible. */
export const visible = (text: string, maxLength = 500): string => {
  const shown = (text.length > maxLength ? `${text.slice(0, maxLength)}…` : text).replaceAll(
    /\p{Surrogate}/gu,
    '\ufffd',
  );
  return shown.replaceAll(unseen, pictured);
};

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
