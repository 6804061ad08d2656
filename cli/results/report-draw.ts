import { markup, Markup } from './html.ts';

/** What ECharts makes a picture of. */
export type PictureOption = Readonly<Record<string, unknown>>;

/** Draws a picture as an SVG element with an alternative text; `key` keeps its names apart from those of others on the page. */
export type Draw = (option: PictureOption, width: number, height: number, alt: string, key: string) => Markup;

/**
 * Leaves of an SVG of ECharts what is seen: a page needs no effects for a pointer, no namespaces, and no names that two
 * pictures share. Texts in it are escaped, so that what looks like an attribute is one.
 */
const tidied = (svg: string, key: string): string =>
  svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<style\s*>[\s\S]*?<\/style>/, '')
    .replaceAll(/<rect [^>]*fill="none"><\/rect>/g, '')
    .replaceAll(/ (?:class="zr[^"]*"|pointer-events="\w+"|xml:space="preserve")/g, '')
    .replaceAll(/font-family:[^;"]*;/g, '')
    .replaceAll(/\bzr\d+-(c\d+)/g, `${key}-$1`)
    .replaceAll(/\n+/g, '');

/** Loads ECharts, which takes a moment, and returns what draws with it. */
export const loadDraw = async (): Promise<Draw> => {
  // The one file of it: its modules one by one take eight times as long to load.
  const echarts = await import('echarts/dist/echarts.esm.min.mjs');
  return (option, width, height, alt, key) => {
    // oxlint-disable-next-line unicorn/no-null -- there is no element to draw in
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
    try {
      chart.setOption({ animation: false, ...option });
      const content = tidied(chart.renderToSVGString(), key);
      return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${alt}">${new Markup(content)}</svg>`;
    } finally {
      chart.dispose();
    }
  };
};
