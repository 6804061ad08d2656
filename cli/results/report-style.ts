/** The colours of a report by name, for a light and a dark page; what draws uses them as `var(--name)`. */
export const reportColours = {
  light: {
    page: '#ffffff',
    panel: '#f4f5f7',
    text: '#1b1f24',
    quiet: '#525a66',
    line: '#d3d7de',
    link: '#0b57a4',
    good: '#0c6b41',
    bad: '#b3221b',
    warn: '#7d4e00',
    c1: '#6d7480',
    c2: '#a8590a',
    c3: '#7a3fc0',
    c4: '#1668b8',
    c5: '#0b7a5b',
    c6: '#857a00',
    fail: '#cf2a22',
  },
  dark: {
    page: '#14171c',
    panel: '#1e232a',
    text: '#e6e9ee',
    quiet: '#a9b2bf',
    line: '#39414c',
    link: '#7db8f5',
    good: '#5fd39a',
    bad: '#ff8f87',
    warn: '#f0bd5e',
    c1: '#98a1ae',
    c2: '#e9a04f',
    c3: '#b998f5',
    c4: '#62aef2',
    c5: '#43c79c',
    c6: '#d1c64a',
    fail: '#ff6b61',
  },
} as const;

/** The name of a colour of a report. */
export type ReportColour = keyof typeof reportColours.light;

/** A colour, for CSS and for SVG. */
export const colour = (name: ReportColour): string => `var(--${name})`;

const declared = (colours: Readonly<Record<ReportColour, string>>): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/** The style sheet of a report: light, or dark where the reader prefers that; on paper light. */
export const reportStyle = `
:root{color-scheme:light dark;${declared(reportColours.light)}}
@media screen and (prefers-color-scheme:dark){:root{${declared(reportColours.dark)}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:68rem;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
h1{margin:0 0 .25rem;font-size:1.7rem;line-height:1.2;overflow-wrap:anywhere}
h2{margin:2.25rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--line);font-size:1.3rem}
h3{margin:1.25rem 0 .5rem;font-size:1.05rem;overflow-wrap:anywhere}
p{margin:.5rem 0;overflow-wrap:anywhere}
.verdict{font-size:1.15rem}
.quiet,figcaption,caption{color:var(--quiet);font-size:.9rem}
.note{padding:.5rem .75rem;border-left:4px solid var(--warn);background:var(--panel)}
.note ul{margin:.25rem 0;padding-left:1.25rem}
code,pre{font:.875em/1.45 ui-monospace,SFMono-Regular,Consolas,monospace;overflow-wrap:anywhere}
pre{margin:.5rem 0;padding:.5rem .75rem;background:var(--panel);white-space:pre-wrap}
.scroll{overflow-x:auto;margin:.75rem 0}
.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.925rem;font-variant-numeric:tabular-nums}
caption{padding-bottom:.35rem;text-align:left}
th,td{padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{color:var(--quiet);font-weight:600;border-bottom-width:2px}
tbody th{font-weight:400}
.number{text-align:right;white-space:nowrap}
.status{white-space:nowrap;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:1rem 1.5rem}
figure{margin:.75rem 0;break-inside:avoid}
figure svg{display:block;width:100%;height:auto;font-family:system-ui,sans-serif}
.wide svg{min-width:44rem}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.4rem 0;padding:0;list-style:none;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{flex:none;width:1.6rem;min-width:0;height:.8rem}
@media print{
html{font-size:10pt}
body{max-width:none;padding:0}
h2,h3{break-after:avoid}
tr{break-inside:avoid}
.scroll{overflow:visible}
.wide svg{min-width:0}
.note,pre{print-color-adjust:exact}
}
`;
