import { spread } from '../histogram.ts';

/** How one thing depends on another, as it was measured: shown as a table, as a plot, or as JSON. */
export interface Figure {
  /** Kebab-case: the name of its file. */
  readonly name: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** What shares its axes. The vertical axis begins at 0 unless it is logarithmic. */
export interface Panel {
  /** What is measured, with its unit. */
  readonly title: string;
  readonly isLogarithmic?: boolean;
  readonly x: {
    readonly label: string;
    readonly isLogarithmic: boolean;
    readonly isBytes?: boolean;
    readonly ticks: readonly Tick[];
  };
  readonly series: readonly Series[];
}

export interface Tick {
  readonly at: number;
  readonly text: string;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** A bound that does not depend on x: its one point's x says nothing. */
  readonly isLimit?: boolean;
}

/** Median, smallest and largest of what was measured several times. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly min: number;
  readonly max: number;
}

export function point(x: number, values: readonly number[]): Point {
  const { median, min, max } = spread(values);
  return { x, y: median, min, max };
}

/** Ticks where there are points. */
export function ticksAt(places: readonly number[]): Tick[] {
  return places.map((at) => ({ at, text: at.toLocaleString('en') }));
}

/** Ticks of bytes: powers of ten, as disks are sold. */
export function ticksOfBytes(places: readonly number[]): Tick[] {
  return places.map((at) => ({ at, text: bytes(at) }));
}

export function asText({ title, panels }: Figure): string {
  const lines = [title];
  for (const { title: what, x, series } of panels) {
    lines.push(`  ${what}`);
    for (const { name, points, isLimit } of series) {
      lines.push(`    ${name}`);
      for (const { x: at, y, min, max } of points) {
        const where = isLimit === true ? '' : `${x.label} ${x.isBytes === true ? bytes(at) : short(at)}`;
        const range = min === max ? '' : ` (${short(min)} - ${short(max)})`;
        lines.push(`      ${where.padEnd(32)} ${short(y).padStart(10)}${range}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

function bytes(count: number): string {
  return count < 1e9 ? `${short(count / 1e6)} MB` : `${short(count / 1e9)} GB`;
}

/** Three digits that count. */
export function short(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1e-3))));
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}
