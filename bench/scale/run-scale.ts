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

/** @throws before it begins, where the disk has no room for the largest of them. */
export async function runScale(parts: readonly ScalePart[], options: ScaleOptions): Promise<Figure[]> {
  const { bavail, bsize } = fs.statfsSync(options.parent);
  for (const { name, diskBytes } of parts) {
    const [needed, free] = [diskBytes(options), bavail * bsize];
    if (needed <= free) continue;
    throw new Error(
      `${name} needs ${gigabytes(needed)} GB in ${options.parent}, and ${gigabytes(free)} are free: choose another --data, or a smaller --log-mb`,
    );
  }
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
