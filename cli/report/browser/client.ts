import uPlot from 'uplot';
import { labels, reach, shown, ticksOf, width as widthOf, type Chart, type Series } from '../chart.ts';

/** Draws the charts of a report anew from the data in it, with values at the pointer, zoom and switches; and follows a run. */

const colourOf = (name: Series['colour']): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

const chartsIn = (root: ParentNode): Chart[] =>
  JSON.parse(root.querySelector('#report-data')?.textContent ?? '[]') as Chart[];

interface Drawn {
  plot: uPlot;
  chart: Chart;
  box: HTMLElement;
  end: () => void;
}

let drawn: Drawn[] = [];
/** The time that all charts over time are zoomed to. */
let zoom: { min: number; max: number } | undefined;
const hidden = new Set<string>();

const inTime = (): Drawn[] => drawn.filter(({ chart }) => chart.xUnit === 'seconds');

const font = '12px system-ui, sans-serif';

const axis = (unit: Chart['unit'], most: number, more: uPlot.Axis): uPlot.Axis => ({
  stroke: () => colourOf('quiet'),
  font,
  grid: { stroke: () => colourOf('line'), width: 1 },
  ticks: { show: false },
  splits: (_, __, from, to) => ticksOf(from, to, unit, most),
  values: (_, splits) => labels(splits, unit),
  ...more,
});

const filled = (name: Series['colour'], alpha: string): string => {
  const hex = colourOf(name).trim();
  return `${hex}${alpha}`;
};

const seriesOf = ({ shape }: Chart, { name, colour, isArea, isLine, dash }: Series): uPlot.Series => {
  const { stepped, bars, points } = uPlot.paths;
  const isDots = shape === 'dots' && isLine !== true;
  return {
    label: name,
    show: true,
    stroke: () => colourOf(colour),
    width: shape === 'bars' ? 0 : 1.75,
    spanGaps: false,
    points: { show: isDots, size: 4, fill: () => colourOf(colour) },
    ...(dash !== undefined && { dash }),
    ...(isArea === true && { fill: () => filled(colour, '2a') }),
    ...(shape === 'steps' && stepped && { paths: stepped({ align: 1 }) }),
    ...(shape === 'bars' && bars && { paths: bars({ size: [0.9, 200] }), fill: () => colourOf(colour) }),
    ...(isDots && points && { paths: () => null }),
  };
};

const marksPlugin = ({ marks = [] }: Chart): uPlot.Plugin => ({
  hooks: {
    draw: (plot) => {
      const { ctx, bbox } = plot;
      const ratio = devicePixelRatio;
      ctx.save();
      ctx.font = `${11 * ratio}px system-ui, sans-serif`;
      ctx.fillStyle = ctx.strokeStyle = colourOf('quiet');
      ctx.textBaseline = 'top';
      ctx.textAlign = 'left';
      let free = -Infinity;
      for (const { x, name } of marks) {
        const left = Math.round(plot.valToPos(x, 'x', true));
        if (left < bbox.left - 1 || left > bbox.left + bbox.width) continue;
        ctx.setLineDash([2 * ratio, 3 * ratio]);
        ctx.beginPath();
        ctx.moveTo(left, bbox.top);
        ctx.lineTo(left, bbox.top + bbox.height);
        ctx.stroke();
        const needed = ctx.measureText(name).width;
        if (left < free || left + needed + 4 * ratio > bbox.left + bbox.width) continue;
        ctx.fillText(name, left + 4 * ratio, bbox.top + ratio);
        free = left + needed + 12 * ratio;
      }
      ctx.restore();
    },
  },
});

const legendButtons = (figure: Element): HTMLButtonElement[] => [
  ...figure.querySelectorAll<HTMLButtonElement>('.legend button'),
];

const line = (text: string): HTMLElement => {
  const element = document.createElement('div');
  element.textContent = text;
  return element;
};

const tipPlugin = (chart: Chart, figure: Element): uPlot.Plugin => {
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  let isOver = false;
  return {
    hooks: {
      init: (plot) => {
        plot.over.append(tip);
        plot.over.addEventListener('mouseenter', () => (isOver = true));
        plot.over.addEventListener('mouseleave', () => {
          isOver = false;
          tip.hidden = true;
        });
      },
      setCursor: (plot) => {
        const { idx, left = -1 } = plot.cursor;
        const outputs = [...figure.querySelectorAll('.legend output')];
        if (idx === null || idx === undefined || left < 0) {
          for (const output of outputs) output.textContent = '';
          tip.hidden = true;
          return;
        }
        const values = chart.series.map(({ values: all }) => all[idx]);
        for (const [at, output] of outputs.entries()) {
          const value = values[at];
          output.textContent = typeof value === 'number' ? shown(value, chart.unit) : '–';
        }
        if (!isOver) return;
        tip.replaceChildren(
          line(shown(chart.x[idx] ?? 0, chart.xUnit)),
          ...chart.series.flatMap(({ name }, at) => {
            const value = values[at];
            return plot.series[at + 1]?.show === false || typeof value !== 'number'
              ? []
              : [line(`${name} ${shown(value, chart.unit)}`)];
          }),
        );
        tip.hidden = false;
        const isRight = left > plot.over.clientWidth / 2;
        tip.style.top = '4px';
        tip.style.left = isRight ? '' : `${left + 12}px`;
        tip.style.right = isRight ? `${plot.over.clientWidth - left + 12}px` : '';
      },
    },
  };
};

const showZoom = (): void => {
  for (const tools of document.querySelectorAll<HTMLElement>('.tools')) tools.hidden = false;
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-act=zoom-out]'))
    button.hidden = zoom === undefined;
};

/** Zooms all charts over time to the same time; undefined shows all of it again. */
const zoomTo = (range: typeof zoom): void => {
  zoom = range;
  for (const { plot, chart } of inTime()) {
    const [min, max] = widthOf(chart);
    plot.setScale('x', range ?? { min, max });
  }
  showZoom();
};

const sizeOf = (box: HTMLElement): { width: number; height: number } => ({
  width: Math.max(200, box.clientWidth),
  height: box.clientWidth < 420 ? 170 : 200,
});

const isShown = (chart: Chart, at: number): boolean => !hidden.has(`${chart.id} ${chart.series[at]?.name}`);

const draw = (chart: Chart, figure: Element): Drawn | undefined => {
  const box = figure.querySelector<HTMLElement>('.plot');
  if (box === null) return undefined;
  const isOfTime = chart.xUnit === 'seconds';
  const visible = (): Series[] => chart.series.filter((_, at) => isShown(chart, at));
  const options: uPlot.Options = {
    ...sizeOf(box),
    padding: [8, 16, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, range: isOfTime ? (_, min, max) => [min, max] : () => widthOf(chart) },
      y: { range: () => reach({ ...chart, series: visible() }) },
    },
    axes: [
      axis(chart.xUnit, 7, { size: 28, gap: 6, grid: { show: false } }),
      axis(chart.unit, 4, { side: 3, size: 62, gap: 6 }),
    ],
    cursor: {
      y: false,
      points: { show: chart.shape !== 'bars' },
      drag: { x: isOfTime, y: false, setScale: false },
      ...(isOfTime && { sync: { key: 'time', setSeries: false } }),
    },
    series: [{}, ...chart.series.map((each) => seriesOf(chart, each))],
    plugins: [marksPlugin(chart), tipPlugin(chart, figure)],
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          const [min, max] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (max > min) zoomTo({ min, max });
        },
      ],
    },
  };
  const plot = new uPlot(options, [chart.x, ...chart.series.map(({ values }) => values)] as uPlot.AlignedData, box);
  const [min, max] = widthOf(chart);
  plot.setScale('x', (isOfTime ? zoom : undefined) ?? { min, max });
  plot.over.addEventListener('dblclick', () => zoomTo(undefined));
  box.classList.add('drawn');
  for (const [at, button] of legendButtons(figure).entries()) {
    const isOn = isShown(chart, at);
    button.setAttribute('aria-pressed', String(isOn));
    if (!isOn) plot.setSeries(at + 1, { show: false });
  }
  const observer = new ResizeObserver(() => plot.setSize(sizeOf(box)));
  observer.observe(box);
  return {
    plot,
    chart,
    box,
    end: () => {
      observer.disconnect();
      plot.destroy();
    },
  };
};

/** Legends become switches, for who has a script. */
const makeSwitches = (figure: Element): void => {
  for (const item of figure.querySelectorAll('.legend li')) {
    if (item.querySelector('button') !== null) continue;
    const button = document.createElement('button');
    button.type = 'button';
    button.title = 'Show or hide this series';
    button.append(...item.childNodes);
    item.append(button, document.createElement('output'));
  }
};

const drawAll = (): void => {
  for (const { end } of drawn) end();
  drawn = chartsIn(document).flatMap((chart) => {
    const figure = document.querySelector(`figure[data-chart="${CSS.escape(chart.id)}"]`);
    if (figure === null) return [];
    makeSwitches(figure);
    return draw(chart, figure) ?? [];
  });
  showZoom();
};

document.addEventListener('click', ({ target }) => {
  if (!(target instanceof Element)) return;
  if (target.closest('[data-act=zoom-out]') !== null) zoomTo(undefined);
  const button = target.closest('.legend button');
  const figure = button?.closest('figure');
  if (!button || !figure) return;
  const at = legendButtons(figure).indexOf(button as HTMLButtonElement);
  const found = drawn.find(({ box }) => figure.contains(box));
  const name = found?.chart.series[at]?.name;
  if (found === undefined || name === undefined) return;
  const key = `${found.chart.id} ${name}`;
  const isOn = hidden.delete(key);
  if (!isOn) hidden.add(key);
  button.setAttribute('aria-pressed', String(isOn));
  found.plot.setSeries(at + 1, { show: isOn });
});

/** Opens what a link points into. */
const openTarget = (): void => {
  const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (let element: Element | null = target; element !== null; element = element.parentElement)
    if (element instanceof HTMLDetailsElement) element.open = true;
  target?.scrollIntoView();
};

/** Puts what the server sent in the place of what is there; what was opened or closed stays so. */
const replacePage = (html: string): void => {
  const next = new DOMParser().parseFromString(html, 'text/html');
  for (const { id, open } of document.querySelectorAll('details')) {
    const details = id === '' ? null : next.getElementById(id);
    if (details instanceof HTMLDetailsElement) details.open = open;
  }
  document.title = next.title;
  for (const selector of ['header', 'nav', 'main', 'footer', '#report-data']) {
    const [before, after] = [document.querySelector(selector), next.querySelector(selector)];
    if (before !== null && after !== null) before.replaceWith(document.importNode(after, true));
  }
  drawAll();
};

/** Someone who selects a text does not want it replaced. */
const isSelecting = (): boolean => getSelection()?.isCollapsed === false;

/** Follows a run, as long as its server sends. */
const follow = (): void => {
  const events = new EventSource('events');
  let last: string | undefined;
  const show = (): void => {
    if (last === undefined || isSelecting()) return;
    replacePage(last);
    last = undefined;
  };
  const end = (text: string): void => {
    events.close();
    show();
    const note = document.createElement('span');
    note.textContent = text;
    document.querySelector('.kicker')?.append(note);
  };
  events.addEventListener('page', ({ data }) => {
    last = JSON.parse(data as string) as string;
    show();
  });
  events.addEventListener('end', () => end('The run has ended; this is its report.'));
  events.addEventListener('error', () => end('The connection to the run is lost.'));
};

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const { plot } of drawn) plot.redraw(false);
});
addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('details')) details.open = true;
});
addEventListener('hashchange', openTarget);
drawAll();
openTarget();
if (document.documentElement.dataset.live !== undefined) follow();
