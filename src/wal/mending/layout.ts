import { ENTRY_HEADER_BYTES, entryHeaderChecksum, entryHeaderFollows, type Entry } from '../../base/entry.ts';
import type { Mutations } from '../../base/mutations.ts';
import { BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES } from '../format.ts';
import { decodeBlockHeader, encodeBlockHeader } from '../segment-format.ts';
import { bytesOf } from '../work.ts';
import type { DamagedRun, RunEnd } from './survey.ts';

/** Bytes and where in the segment's file they belong. */
export interface Piece {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** How many bytes from the beginning of a run on `layOut` looks at. */
export function regionBytes(run: DamagedRun, end: RunEnd): number {
  return end.position - run.position + BLOCK_HEADER_BYTES + ENTRY_HEADER_BYTES;
}

/** Ways to put headers between entries that are looked at, at most. */
const PLACES_MAX = 4_000_000;

/**
 * Where the entries of a damaged run, as another node has them, belong in it. They come from `run.firstIndex` up to
 * `end.lastIndex`, each chained to the one before and the first to what is before the run: so what is left to prove is
 * that the last one is what this log had there, and that all of it fits to the byte.
 *
 * Entries are the same bytes at every node, but which of them went into one block is not. Headers that are damaged are made
 * anew: the first stands where the run begins, and each other one where most of what is still legible agrees.
 * @param region the file from the beginning of the run, `regionBytes` long or up to its end.
 * @returns the pieces that are not there yet; or why these are not the entries that were there.
 */
export function layOut(
  run: DamagedRun,
  end: RunEnd,
  entries: readonly Entry[],
  region: Uint8Array,
  mutations: Mutations,
): Piece[] | string {
  const pieces =
    run.header === null ? blocksAnew(run, end, entries, region) : blockAndMore(run, end, entries, region);
  if (typeof pieces === 'string') return pieces;
  const last = entries.at(-1);
  const lastPosition = pieces.at(-1)?.position;
  if (last === undefined || lastPosition === undefined) return 'there is nothing to put there';
  if (!mutations.mendsUnproven && !isProven(run, end, last, region, lastPosition - run.position))
    return `entry ${last.index} is not the one that this log had: nothing that is left of it agrees`;
  return pieces.filter(({ position, bytes }) => !isThere(region, position - run.position, bytes));
}

/** The chain vouches for all others if the last one is right: by somebody who knew it, by what follows it, or by what is left of it. */
function isProven(run: DamagedRun, end: RunEnd, last: Entry, region: Uint8Array, lastAt: number): boolean {
  if (end.checksum !== null) return end.checksum === last.checksum;
  const nextAt = end.position - run.position + BLOCK_HEADER_BYTES;
  return (
    entryHeaderFollows(region, nextAt, last.checksum) ||
    // One that was taken back later, in the same block.
    entryHeaderFollows(region, lastAt + last.bytes.length, last.checksum) ||
    entryHeaderChecksum(region, lastAt) === last.checksum
  );
}

/** The header of the first block is good, so it is known which entries it holds; what follows it is made anew. */
function blockAndMore(
  run: DamagedRun,
  end: RunEnd,
  entries: readonly Entry[],
  region: Uint8Array,
): Piece[] | string {
  const { header, position } = run;
  if (header === null) return 'the run begins with a damaged header';
  const own = entries.slice(0, header.entryCount);
  const pieces = inARow(own, position + BLOCK_HEADER_BYTES);
  const bytes = bytesOf(own);
  const blockEnd = position + BLOCK_HEADER_BYTES + header.length;
  const isWhole = own.length === header.entryCount;
  // Of a block that is taken back in part only the rest is known, and the rest is all that counts.
  const fits = isWhole ? bytes === header.length : end.truncates && bytes < header.length;
  if (!fits) return `${own.length} entries of ${bytes} bytes do not fill a block of ${header.length}`;
  if (end.blocks === run.sequence) {
    return blockEnd === end.position && own.length === entries.length
      ? pieces
      : `a block that ends at byte ${blockEnd} does not reach to byte ${end.position}`;
  }
  const [next] = entries.slice(header.entryCount);
  if (next === undefined) return 'too few entries for the blocks that follow';
  const rest: DamagedRun = {
    ...run,
    position: blockEnd,
    header: null,
    sequence: run.sequence + 1,
    firstIndex: next.index,
  };
  const more = blocksAnew(rest, end, entries.slice(header.entryCount), region.subarray(blockEnd - position));
  return typeof more === 'string' ? more : [...pieces, ...more];
}

/** Blocks whose headers are all to be made, but for those that are still good in between. */
function blocksAnew(
  run: DamagedRun,
  end: RunEnd,
  entries: readonly Entry[],
  region: Uint8Array,
): Piece[] | string {
  if (end.truncates) return 'what follows takes back a part that cannot be told';
  const count = end.blocks - run.sequence + 1;
  const bytes = bytesOf(entries) + count * BLOCK_HEADER_BYTES;
  const span = end.position - run.position;
  if (bytes !== span)
    return `${entries.length} entries in ${count} blocks take ${bytes} bytes, and there are ${span}`;
  const starts = placeHeaders(run, entries, count, region);
  if (starts === null) return `${count} blocks of ${entries.length} entries cannot be put there`;
  const pieces: Piece[] = [];
  let position = run.position;
  for (const [at, start] of starts.entries()) {
    const block = entries.slice(start, starts[at + 1] ?? entries.length);
    const [first] = block;
    const length = bytesOf(block);
    if (first === undefined || (length > BLOCK_BYTES_MAX && block.length > 1))
      return `${block.length} entries of ${length} bytes are no block`;
    const sequence = run.sequence + at;
    const header = { length, sequence, epoch: run.epoch, firstIndex: first.index, entryCount: block.length };
    pieces.push({ position, bytes: encodeBlockHeader(header, run.segment.seed) });
    pieces.push(...inARow(block, position + BLOCK_HEADER_BYTES));
    position += BLOCK_HEADER_BYTES + length;
  }
  return pieces;
}

/**
 * Puts a header before the first entry and `count - 1` more before others, so that as many bytes as possible agree with
 * what is there: a walk over (entries, headers) that remembers the best way to each.
 * @returns the places among the entries at which blocks begin; null if there are too many ways, or none.
 */
function placeHeaders(
  run: DamagedRun,
  entries: readonly Entry[],
  count: number,
  region: Uint8Array,
): number[] | null {
  if (count === 1) return [0];
  if (count > entries.length || entries.length * count > PLACES_MAX) return null;
  const width = count + 1;
  let best = new Float64Array(width).fill(Number.NEGATIVE_INFINITY);
  best[0] = 0;
  /** Whether the best way to (entry, headers) has a header right before the entry. */
  const hasHeader = new Uint8Array(entries.length * width);
  let entriesBytes = 0;
  for (const [at, entry] of entries.entries()) {
    const next = new Float64Array(width).fill(Number.NEGATIVE_INFINITY);
    for (let used = 1; used <= count; used += 1) {
      const entryAt = entriesBytes + used * BLOCK_HEADER_BYTES;
      const without = at === 0 ? Number.NEGATIVE_INFINITY : (best[used] ?? 0);
      const before = best[used - 1] ?? 0;
      const withHeader = before + agreement(run, entry, used, region, entryAt - BLOCK_HEADER_BYTES);
      if (withHeader > without) hasHeader[at * width + used] = 1;
      const isElsewhere = (run.points.get(entry.index) ?? run.position + entryAt) !== run.position + entryAt;
      if (isElsewhere) continue;
      next[used] = Math.max(without, withHeader) + likeness(region, entryAt, entry.bytes, ENTRY_HEADER_BYTES);
    }
    best = next;
    entriesBytes += entry.bytes.length;
  }
  if (best[count] === Number.NEGATIVE_INFINITY) return null;
  const starts: number[] = [];
  let used = count;
  for (let at = entries.length - 1; at >= 0; at -= 1) {
    if (hasHeader[at * width + used] === 0) continue;
    starts.push(at);
    used -= 1;
  }
  return used === 0 ? starts.toReversed() : null;
}

/** How much of a header there looks like the one that would be due: all of it, if it is valid. */
function agreement(run: DamagedRun, first: Entry, used: number, region: Uint8Array, at: number): number {
  const sequence = run.sequence + used - 1;
  const found = decodeBlockHeader(region, at, run.segment.seed);
  if (found !== null && found.sequence === sequence && found.firstIndex === first.index)
    return BLOCK_HEADER_BYTES;
  const due = { length: 0, sequence, epoch: run.epoch, firstIndex: first.index, entryCount: 0 };
  return likeness(region, at, encodeBlockHeader(due, run.segment.seed), BLOCK_HEADER_BYTES);
}

/** How many of the first bytes agree. */
function likeness(region: Uint8Array, at: number, bytes: Uint8Array, bytesMax: number): number {
  let same = 0;
  for (let offset = 0; offset < bytesMax; offset += 1) if (region[at + offset] === bytes[offset]) same += 1;
  return same;
}

function inARow(entries: readonly Entry[], from: number): Piece[] {
  let position = from;
  return entries.map(({ bytes }) => {
    const piece = { position, bytes };
    position += bytes.length;
    return piece;
  });
}

function isThere(region: Uint8Array, at: number, bytes: Uint8Array): boolean {
  const found = Buffer.from(
    region.buffer,
    region.byteOffset + at,
    Math.max(0, Math.min(bytes.length, region.length - at)),
  );
  return found.equals(bytes);
}
