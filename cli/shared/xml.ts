import { plain } from '../../lib/text/visible.ts';

const references: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** A text of whatever origin as XML 1.0 can hold it, within an attribute too: it forbids much of what can't be seen. */
export const xmlText = (text: string): string => plain(text).replaceAll(/[&<>"]/g, (each) => references[each] ?? each);
