import fs from 'node:fs';
import path from 'node:path';
import { CATCH_UP } from './catch-up.ts';
import { CONNECTIONS } from './connections.ts';
import { CONSOLES } from './consoles.ts';
import type { Figure } from './figure.ts';
import { LOG_SIZE } from './log-size.ts';
import { NODES } from './nodes.ts';
import type { ScaleOptions, ScalePart } from './part.ts';
import { asSvg } from './plot.ts';

export const SCALE_PARTS: readonly ScalePart[] = [LOG_SIZE, CATCH_UP, NODES, CONNECTIONS, CONSOLES];

/** @returns why the disk has no room for the largest of them; null where it has. */
export function lackOfRoom(parts: readonly ScalePart[], options: ScaleOptions): string | null {
  const { bavail, bsize } = fs.statfsSync(options.parent);
  const freeBytes = bavail * bsize;
  const large = parts.find(({ diskBytes }) => diskBytes(options) > freeBytes);
  if (large === undefined) return null;
  const [needed, free] = [gigabytes(large.diskBytes(options)), gigabytes(freeBytes)];
  return `${large.name} needs ${needed} GB in ${options.parent}, and ${free} are free: choose another --data, or a smaller --log-mb`;
}

export async function runScale(parts: readonly ScalePart[], options: ScaleOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const part of parts) figures.push(...(await part.run(options)));
  return figures;
}

/** One SVG for each, named after it. */
export function writePlots(figures: readonly Figure[], directory: string): void {
  fs.mkdirSync(directory, { recursive: true });
  for (const figure of figures) fs.writeFileSync(path.join(directory, `${figure.name}.svg`), asSvg(figure));
}

function gigabytes(bytes: number): number {
  return Math.round(bytes / 1e8) / 10;
}
