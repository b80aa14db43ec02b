import { short, type Figure, type Panel, type Point, type Series, type Tick } from './figure.ts';

// A figure as SVG, laid out by hand: no dependency, one file, readable on a light and on a dark page, as it brings its
// own background for each.

const PANEL_WIDTH = 440;
const PANELS_A_ROW = 2;
const PLOT = { left: 62, right: 18, height: 210 };
const TITLE_HEIGHT = 40;
const LEGEND_ROW = 17;
const BELOW_PLOT = 44;
/** Beyond so many series nobody tells their colours apart. */
const COLOURS = 4;

const STYLE = `
    text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #59636e }
    .title { font-size: 15px; font-weight: 600 } .title, .what { fill: #1f2328 } .what { font-weight: 600 }
    .page { fill: #ffffff } .grid { stroke: #d1d9e0; stroke-width: 1 } .axis { stroke: #818b98; stroke-width: 1 }
    .line { fill: none; stroke-width: 2 } .range { stroke-width: 1.5; opacity: 0.6 } .limit { stroke-dasharray: 6 4 }
    .c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #1a7f37 } .c3 { stroke: #8250df }
    .d0 { fill: #0969da } .d1 { fill: #bc4c00 } .d2 { fill: #1a7f37 } .d3 { fill: #8250df }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 } .title, .what { fill: #f0f6fc }
      .page { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #656c76 }
      .c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 } .c3 { stroke: #bc8cff }
      .d0 { fill: #58a6ff } .d1 { fill: #f0883e } .d2 { fill: #3fb950 } .d3 { fill: #bc8cff }
    }
  `;

export function asSvg({ title, panels }: Figure): string {
  const width = PANEL_WIDTH * Math.min(panels.length, PANELS_A_ROW);
  const abovePlot = 22 + Math.max(...panels.map(({ series }) => series.length)) * LEGEND_ROW + 8;
  const panelHeight = abovePlot + PLOT.height + BELOW_PLOT;
  const height = TITLE_HEIGHT + panelHeight * Math.ceil(panels.length / PANELS_A_ROW);
  const body = panels
    .map((panel, at) => {
      const top = TITLE_HEIGHT + Math.floor(at / PANELS_A_ROW) * panelHeight;
      return drawPanel(panel, (at % PANELS_A_ROW) * PANEL_WIDTH, top, top + abovePlot);
    })
    .join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
  <title>${escape(title)}</title>
  <style>${STYLE}</style>
  <rect class="page" width="${width}" height="${height}" rx="6"/>
  <text class="title" x="20" y="27">${escape(title)}</text>
${body}
</svg>
`;
}

/** @param top of all of it. @param plotTop below its title and legend. */
function drawPanel(panel: Panel, left: number, top: number, plotTop: number): string {
  const { series, x } = panel;
  const toX = axis(
    x.ticks.map(({ at }) => at),
    x.isLogarithmic,
    [left + PLOT.left + 8, left + PANEL_WIDTH - PLOT.right - 8],
  );
  const yTicks = ticksOfY(panel);
  const toY = axis(
    yTicks.map(({ at }) => at),
    panel.isLogarithmic === true,
    [plotTop + PLOT.height, plotTop],
  );
  const [from, to] = [left + PLOT.left, left + PANEL_WIDTH - PLOT.right];
  const lines = [`<text class="what" x="${left + 20}" y="${top + 14}">${escape(panel.title)}</text>`];
  for (const [at, { name, isLimit }] of series.entries()) {
    const y = top + 22 + (at + 0.5) * LEGEND_ROW;
    lines.push(
      `<line class="line${isLimit === true ? ' limit' : ''} c${at % COLOURS}" x1="${left + 20}" x2="${left + 44}" y1="${y}" y2="${y}"/>`,
      `<text x="${left + 50}" y="${y + 4}">${escape(name)}</text>`,
    );
  }
  for (const { at, text } of yTicks) {
    const y = round(toY(at));
    lines.push(
      `<line class="grid" x1="${from}" x2="${to}" y1="${y}" y2="${y}"/>`,
      `<text text-anchor="end" x="${from - 8}" y="${y + 4}">${text}</text>`,
    );
  }
  const bottom = plotTop + PLOT.height;
  lines.push(`<line class="axis" x1="${from}" x2="${to}" y1="${bottom}" y2="${bottom}"/>`);
  for (const { at, text } of x.ticks) {
    const place = round(toX(at));
    lines.push(
      `<line class="axis" x1="${place}" x2="${place}" y1="${bottom}" y2="${bottom + 4}"/>`,
      `<text text-anchor="middle" x="${place}" y="${bottom + 18}">${text}</text>`,
    );
  }
  lines.push(
    `<text text-anchor="middle" x="${(from + to) / 2}" y="${bottom + 36}">${escape(x.label)}</text>`,
  );
  for (const [at, each] of series.entries())
    lines.push(...drawSeries(each, at % COLOURS, toX, toY, from, to));
  return lines.map((line) => `  ${line}`).join('\n');
}

function drawSeries(
  { points, isLimit }: Series,
  colour: number,
  toX: (value: number) => number,
  toY: (value: number) => number,
  from: number,
  to: number,
): string[] {
  if (isLimit === true) {
    return points.map(({ y }) => {
      const place = round(toY(y));
      return `<line class="line limit c${colour}" x1="${from}" x2="${to}" y1="${place}" y2="${place}"/>`;
    });
  }
  const place = ({ x, y }: Point): string => `${round(toX(x))},${round(toY(y))}`;
  const lines = [`<polyline class="line c${colour}" points="${points.map(place).join(' ')}"/>`];
  for (const { x, y, min, max } of points) {
    const at = round(toX(x));
    lines.push(
      `<line class="range c${colour}" x1="${at}" x2="${at}" y1="${round(toY(min))}" y2="${round(toY(max))}"/>`,
      `<circle class="d${colour}" cx="${at}" cy="${round(toY(y))}" r="3.5"/>`,
    );
  }
  return lines;
}

/** Where values lie between the outermost ticks, whatever their order on the page. */
function axis(
  ticks: readonly number[],
  isLogarithmic: boolean,
  [start, end]: readonly [number, number],
): (value: number) => number {
  const scale = isLogarithmic
    ? (value: number): number => Math.log10(value)
    : (value: number): number => value;
  const [low, high] = [scale(Math.min(...ticks)), scale(Math.max(...ticks))];
  return (value) => start + ((scale(value) - low) / (high - low || 1)) * (end - start);
}

function ticksOfY({ series, isLogarithmic }: Panel): Tick[] {
  const all = series.flatMap(({ points }) => points);
  const largest = Math.max(...all.map(({ max }) => max));
  const places: number[] = [];
  if (isLogarithmic === true) {
    const first = Math.floor(Math.log10(Math.min(...all.map(({ min }) => min))));
    for (let power = first; power <= Math.ceil(Math.log10(largest)); power += 1) places.push(10 ** power);
  } else {
    const step = niceStep(largest / 5);
    for (let count = 0; count <= Math.ceil(largest / step); count += 1) places.push(count * step);
  }
  return places.map((at) => ({ at, text: short(at) }));
}

/** 1, 2 or 5 times a power of ten, at least so much. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((times) => times * power >= least) ?? 10);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
