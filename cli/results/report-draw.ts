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

type Charts = typeof import('echarts/dist/echarts.esm.min.mjs');

// The one file of it: its modules one by one take eight times as long to load.
const loadCharts = (): Promise<Charts> => import('echarts/dist/echarts.esm.min.mjs');

const drawn = (echarts: Charts, option: PictureOption, width: number, height: number): string => {
  // oxlint-disable-next-line unicorn/no-null -- there is no element to draw in
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, ...option });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
};

/** A picture as a document of SVG. */
export const svgOf = async (option: PictureOption, width: number, height: number): Promise<string> =>
  drawn(await loadCharts(), option, width, height);

/** Loads ECharts, which takes a moment, and returns what draws with it. */
export const loadDraw = async (): Promise<Draw> => {
  const echarts = await loadCharts();
  return (option, width, height, alt, key) => {
    const content = tidied(drawn(echarts, option, width, height), key);
    return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${alt}">${new Markup(content)}</svg>`;
  };
};
