import fs from 'node:fs';
import path from 'node:path';
import type { Prng } from '../base/prng.ts';
import { FileDisk } from '../platform/file-disk.ts';
import { dumpLog } from '../wal/index.ts';

export interface FlippedBit {
  readonly file: string;
  readonly position: number;
  readonly bit: number;
  /** Of the entry that it belongs to. */
  readonly index: number;
}

/**
 * Flips one bit of an entry in a segment that is closed, so of something that had been durable for long. The node must not
 * run.
 * @returns null where no segment is closed yet.
 */
export function flipBit(directory: string, prng: Prng): FlippedBit | null {
  const entries: { file: string; position: number; bytes: number; index: number }[] = [];
  let closed = 0;
  for (const item of dumpLog(new FileDisk(), directory)) {
    if (item.type === 'entry') entries.push(item);
    if (item.type === 'sealed') closed = entries.length;
  }
  if (closed === 0) return null;
  const entry = entries[prng.below(closed)];
  if (entry === undefined) return null;
  const position = entry.position + prng.below(entry.bytes);
  const bit = prng.below(8);
  const file = fs.openSync(path.join(directory, entry.file), 'r+');
  try {
    const byte = new Uint8Array(1);
    fs.readSync(file, byte, 0, 1, position);
    byte[0] = (byte[0] ?? 0) ^ (1 << bit);
    fs.writeSync(file, byte, 0, 1, position);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  return { file: entry.file, position, bit, index: entry.index };
}
