import { describe, expect, test } from 'vitest';
import { asText, point, ticksAt, ticksOfBytes, type Figure } from '../../bench/scale/figure.ts';
import { asSvg } from '../../bench/scale/plot.ts';

const FIGURE: Figure = {
  name: 'growth',
  title: 'Growth & <what> it costs',
  panels: [
    {
      title: 'records/s',
      x: { label: 'log', isLogarithmic: true, isBytes: true, ticks: ticksOfBytes([1e7, 1e8, 1e9]) },
      series: [
        { name: 'appends', points: [point(1e7, [90, 100, 110]), point(1e9, [50])] },
        { name: 'disk', points: [point(0, [200])], isLimit: true },
      ],
    },
  ],
};

function places(svg: string): { x: number; y: number }[] {
  return [...svg.matchAll(/<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"/g)].map((found) => ({
    x: Number(found[1]),
    y: Number(found[2]),
  }));
}

function tickAt(svg: string, text: string): { x: number; y: number } {
  const found = new RegExp(`<text[^>]* x="([\\d.]+)" y="([\\d.]+)">${text}</text>`).exec(svg);
  return { x: Number(found?.[1]), y: Number(found?.[2]) };
}

describe('a plot', () => {
  const svg = asSvg(FIGURE);

  test('has its points under the ticks of their values', () => {
    const [first, last] = places(svg);
    expect(first?.x).toBe(tickAt(svg, '10 MB').x);
    expect(last?.x).toBe(tickAt(svg, '1 GB').x);
    // The label of a tick stands four below its line.
    expect(first?.y).toBe(tickAt(svg, '100').y - 4);
    expect(last?.y).toBe(tickAt(svg, '50').y - 4);
  });

  test('shows how far the measurements scatter', () => {
    const range = /<line class="range c0" [^>]*y1="([\d.]+)" y2="([\d.]+)"/.exec(svg);
    const perRecord = (tickAt(svg, '0').y - tickAt(svg, '200').y) / 200;
    expect(Number(range?.[1]) - Number(range?.[2])).toBeCloseTo(20 * perRecord, 0);
  });

  test('draws a limit from side to side, without points', () => {
    expect(places(svg)).toHaveLength(2);
    expect(svg.match(/class="line limit c1"/g)).toHaveLength(2);
  });

  test('lets no text become markup', () => {
    expect(svg).toContain('Growth &amp; &lt;what&gt; it costs');
  });

  test('is readable on a light and on a dark page', () => {
    expect(svg).toContain('.page { fill: #ffffff }');
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
  });

  test('begins at 0 unless it is logarithmic, where it begins at a power of ten', () => {
    expect(tickAt(svg, '0').y).toBeGreaterThan(tickAt(svg, '50').y);
    const panels = FIGURE.panels.map((panel) => ({ ...panel, isLogarithmic: true }));
    const logarithmic = asSvg({ ...FIGURE, panels });
    expect(tickAt(logarithmic, '0').y).toBeNaN();
    expect(tickAt(logarithmic, '10').y).toBeGreaterThan(tickAt(logarithmic, '1,000').y);
  });
});

test('a figure as text says where, how much, and between what', () => {
  const lines = asText(FIGURE).split('\n');
  expect(lines[0]).toBe('Growth & <what> it costs');
  expect(lines.find((line) => line.includes('log 10 MB'))).toMatch(/ 100 \(90 - 110\)$/);
  expect(lines.find((line) => line.includes('log 1 GB'))).toMatch(/ 50$/);
});

test('ticks of small numbers are written out', () => {
  expect(ticksAt([1, 1000])).toEqual([
    { at: 1, text: '1' },
    { at: 1000, text: '1,000' },
  ]);
});
