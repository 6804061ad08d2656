/** The colours of a report by name, for a light and a dark page; what draws uses them as `var(--name)`. */
export const reportColours = {
  light: {
    page: '#ffffff',
    panel: '#f5f6f8',
    text: '#1b1f24',
    quiet: '#525a66',
    line: '#d9dde3',
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
    line: '#353c46',
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
html{scroll-padding-top:1rem}
body{margin:0 auto;padding:1.25rem 1.5rem 3rem;max-width:82rem;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
h1{margin:0;font-size:1.5rem;line-height:1.25}
h2{margin:0 0 .75rem;font-size:1.25rem;line-height:1.3}
h3{margin:0 0 .35rem;font-size:1rem;line-height:1.4}
p{margin:.4rem 0}
section{margin-top:2.5rem;padding-top:1.25rem;border-top:1px solid var(--line)}
.kicker{display:flex;flex-wrap:wrap;align-items:center;gap:.35rem .75rem;margin:0 0 .5rem}
.verdict{padding:.1rem .65rem;border-radius:1rem;background:var(--warn);color:var(--page);font-weight:700;font-size:.875rem;letter-spacing:.02em;white-space:nowrap}
.verdict.good{background:var(--good);color:var(--page)}.verdict.bad{background:var(--bad);color:var(--page)}.verdict.running{background:var(--c4);color:var(--page)}
.quiet,figcaption,caption,.facts{color:var(--quiet);font-size:.875rem}
.facts{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.4rem 0 0;padding:0;list-style:none;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1rem 0 0}
.figure{max-width:22rem;padding:.6rem .85rem .7rem;border:1px solid var(--line);border-radius:.5rem;background:var(--panel)}
.figure dt{color:var(--quiet);font-size:.85rem}
.figure dd{margin:0;font-size:1.45rem;font-weight:650;line-height:1.3;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.figure dd.detail{font-size:.85rem;font-weight:400;color:var(--quiet);line-height:1.4}
.cause{margin:.85rem 0 0;padding:.75rem 1rem;border:1px solid var(--line);border-left:5px solid var(--warn);border-radius:.4rem;background:var(--panel);overflow-wrap:anywhere}
.cause.failure{border-left-color:var(--fail)}
.cause.tolerated,.cause.not-checked{border-left-color:var(--c1)}
.cause.proven{border-left-color:var(--good)}
.cause :is(h2,h4){margin:0 0 .3rem;font-size:1.05rem;line-height:1.4}
.cause h4{font-size:1rem}
.cause ul{margin:.25rem 0;padding-left:1.2rem}
.pairs{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem .9rem;margin:.45rem 0 0}
.pairs dt{color:var(--quiet);font-size:.875rem}
.pairs dd{margin:0;overflow-wrap:anywhere}
.note{padding:.5rem .85rem;border-left:5px solid var(--warn);border-radius:.4rem;background:var(--panel);margin:.85rem 0 0}
.note ul{margin:0;padding-left:1.1rem}
code,pre{font:.85em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
pre{margin:.5rem 0;padding:.5rem .75rem;border:1px solid var(--line);border-radius:.4rem;background:var(--panel);white-space:pre-wrap}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--link);width:fit-content;max-width:100%;overflow-wrap:anywhere}
summary h3{display:inline;color:var(--text)}
nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:0;padding:0;list-style:none;font-size:.9rem}
nav a{text-decoration:none;line-height:1.9}
nav a:hover{text-decoration:underline}
nav{margin-top:1.25rem}
.anchor{margin-left:.4rem;color:var(--quiet);text-decoration:none;font-weight:400;opacity:0}
:is(h2,h3,h4):hover .anchor,.anchor:focus-visible{opacity:1}
:target{scroll-margin-top:1rem}
article:target,figure:target{outline:2px solid var(--link);outline-offset:4px}
.scroll{overflow-x:auto;margin:.75rem 0}
:is(.scroll,summary,button,a):focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{padding-bottom:.35rem;text-align:left}
th,td{padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
table{overflow-wrap:break-word}
:is(th,td):last-child{padding-right:0}
thead th{color:var(--quiet);font-weight:600;border-bottom-width:2px;white-space:nowrap}
tbody th{font-weight:400;min-width:9rem}
.number{text-align:right;white-space:nowrap}
.status{white-space:nowrap;font-weight:600}
.small{display:block;color:var(--quiet);font-size:.8rem}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:1.5rem 2rem}
figure{margin:0;min-width:0;break-inside:avoid}
figure.bars{margin:1.25rem 0}
figure svg{display:block;width:100%;height:auto;font-family:system-ui,sans-serif;fill:none}
.wide svg{min-width:40rem}
.legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;margin:0 0 .25rem;padding:0;list-style:none;font-size:.825rem;color:var(--quiet)}
.legend li,.legend button{display:flex;align-items:center;gap:.4rem}
.legend svg{flex:none;width:.9rem;height:.65rem}
.legend button{padding:.05rem .2rem;border:0;border-radius:.25rem;background:none;color:inherit;font:inherit;cursor:pointer}
.legend button[aria-pressed=false]{opacity:.45;text-decoration:line-through}
.legend output{min-width:3.5rem;color:var(--text);font-variant-numeric:tabular-nums;white-space:nowrap}
.plot{position:relative}
.drawn>svg{display:none}
.tip{position:absolute;z-index:5;pointer-events:none;padding:.3rem .55rem;border:1px solid var(--line);border-radius:.35rem;background:var(--page);color:var(--text);font-size:.8rem;line-height:1.45;white-space:nowrap;box-shadow:0 2px 8px #0003}
.tip[hidden]{display:none}
.tools{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem 1rem;margin:0 0 .75rem}
.tools button{padding:.15rem .6rem;border:1px solid var(--line);border-radius:.35rem;background:var(--panel);color:var(--text);font:inherit;font-size:.85rem;cursor:pointer}
.tools[hidden],.tools button[hidden]{display:none}
.u-over{cursor:crosshair}
.u-select{background:var(--c4)!important;opacity:.18}
:is(.u-cursor-x,.u-cursor-y){border-color:var(--quiet)!important}
@media (min-width:75rem){
body{display:grid;grid-template-columns:11rem minmax(0,1fr);gap:0 2.5rem}
header,main,footer{grid-column:2}
nav{grid-column:1;grid-row:1/span 3;margin:0}
nav>div{position:sticky;top:1.25rem}
nav ul{flex-direction:column}
main>section:first-child{margin-top:1.75rem}
}
@media (max-width:40rem){
body{padding:1rem .9rem 2rem}
h1{font-size:1.25rem}
.figures{grid-template-columns:1fr 1fr;gap:.5rem}
.figure{max-width:22rem;padding:.4rem .6rem}
.figure dd{font-size:1.15rem}
.pairs{grid-template-columns:1fr;gap:0}
.pairs dt{margin-top:.35rem}
section{margin-top:2rem}
th,td{padding-right:.6rem}
}
@media print{
html{font-size:9.5pt}
body{display:block;max-width:none;padding:0}
nav,.anchor,.tools,.tip,.legend output{display:none}
h2,h3,summary,caption{break-after:avoid}
tr,.cause,.figure{break-inside:avoid}
section{margin-top:1.5rem}
.charts{grid-template-columns:1fr 1fr}
.scroll{overflow:visible}
.wide svg{min-width:0}
.drawn>svg{display:block}
.drawn>.uplot{display:none}
.verdict,.note,.cause,pre,.figure{print-color-adjust:exact}
details::details-content{content-visibility:visible;display:block}
}
`;
