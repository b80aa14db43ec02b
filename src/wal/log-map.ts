import { assert } from '../base/assert.ts';
import { EntryKind, type Entry } from '../base/entry.ts';
import { NO_TERM, type LogIndex, type Term } from '../base/units.ts';
import {
  BLOCK_HEADER_BYTES,
  FOOTER_CONFIGURATION_BYTES,
  FOOTER_EXTENT_BYTES,
  FOOTER_FIXED_BYTES,
  FOOTER_POINT_BYTES,
  FOOTER_TERM_RUN_BYTES,
  FOOTER_TRAILER_BYTES,
  POINT_SPACING_BYTES,
} from './format.ts';
import type { Segment } from './segment.ts';

/** A stretch of the log written in one term: entries from `firstIndex` up to the next run's. */
export interface TermRun {
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

/** An entry whose position is known, and what its header checksum chains to. */
export interface Point {
  readonly index: LogIndex;
  /** Of the entry itself, in the file of the segment. */
  readonly position: number;
  readonly previousChecksum: number;
}

/** A stretch of blocks in one segment in which every entry follows the one before. */
export interface Extent {
  readonly segment: Segment;
  readonly firstIndex: LogIndex;
  /** Of its first block. */
  readonly position: number;
  /** Ascending; the first is that of `firstIndex`. */
  readonly points: Point[];
}

/** The entry before the first one of the log; index 0 if nothing was ever there. */
export interface LogBase {
  readonly index: LogIndex;
  readonly term: Term;
  readonly checksum: number;
}

/** Where to begin reading for an entry. */
export interface Place {
  readonly segment: Segment;
  readonly point: Point;
  /** Of the point, or of the header of its block where nobody comes by who begins before it. */
  readonly position: number;
  /** Up to here the entries that follow in this segment are those of the log; after it some were truncated. */
  readonly lastIndex: LogIndex;
}

const EMPTY_FOOTER_BYTES = FOOTER_FIXED_BYTES + FOOTER_TRAILER_BYTES;

/**
 * What is known in memory about the log on disk: where every 64 KiB of it lie, its terms, and which entries are
 * configurations. About 40 bytes for each 64 KiB of log; nothing that grows with the number of entries.
 *
 * The file is only appended to, so a truncated log consists of extents: what the later one has from its first index on
 * hides what the earlier ones had there.
 */
export class LogMap {
  #base: LogBase;
  #firstSegment: number;
  #lastIndex: LogIndex;
  #lastTerm: Term;
  #lastChecksum: number;
  #epoch: number;
  /** First indexes strictly ascending. */
  readonly #extents: Extent[] = [];
  readonly #termRuns: TermRun[] = [];
  readonly #configurations: LogIndex[] = [];
  /** False if the next block does not continue the last extent: after a truncation, in a new segment. */
  #isOpen = false;
  /** An upper bound: truncations do not lower it. */
  #footerBytes = EMPTY_FOOTER_BYTES;

  /** @param firstSegment sequence of the segment that the log begins with. */
  constructor(base: LogBase, epoch: number, firstSegment = 1) {
    this.#base = base;
    this.#firstSegment = firstSegment;
    this.#lastIndex = base.index;
    this.#lastTerm = base.term;
    this.#lastChecksum = base.checksum;
    this.#epoch = epoch;
    if (base.index > 0) this.#termRuns.push({ firstIndex: base.index, term: base.term });
  }

  get base(): LogBase {
    return this.#base;
  }

  /** Sequence of the segment that the log begins with. */
  get firstSegment(): number {
    return this.#firstSegment;
  }

  /** lastIndex + 1 while the log is empty. */
  get firstIndex(): LogIndex {
    return (this.#base.index + 1) as LogIndex;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#lastTerm;
  }

  get lastChecksum(): number {
    return this.#lastChecksum;
  }

  /** Truncations so far. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Ascending; covers firstIndex - 1 (unless that is 0) to lastIndex. */
  get termRuns(): readonly TermRun[] {
    return this.#termRuns;
  }

  get extents(): readonly Extent[] {
    return this.#extents;
  }

  /** Indexes of configuration entries, ascending. */
  get configurations(): readonly LogIndex[] {
    return this.#configurations;
  }

  /** Room that the footer of the segment being written needs by now, at most. */
  get footerBytesMax(): number {
    return this.#footerBytes;
  }

  /** The term of an entry, or of the one before the first. @returns null outside of that. */
  termAt(index: LogIndex): Term | null {
    if (index === 0) return this.#base.index === 0 ? NO_TERM : null;
    if (index < this.#base.index || index > this.#lastIndex) return null;
    const run = this.#termRuns[lastAtOrBefore(this.#termRuns, index)];
    return run === undefined ? null : run.term;
  }

  /** The known position nearest before an entry. The entry must be in the log. */
  locate(index: LogIndex): Place {
    assert(
      index > this.#base.index && index <= this.#lastIndex,
      () => `index ${index} is not in ${this.#range()}`,
    );
    const at = lastAtOrBefore(this.#extents, index);
    const extent = this.#extents[at];
    assert(extent !== undefined, () => `no extent holds index ${index} of ${this.#range()}`);
    const point = extent.points[lastPointAtOrBefore(extent.points, index)];
    assert(
      point !== undefined,
      () => `no point before index ${index} in the extent from ${extent.firstIndex}`,
    );
    const next = this.#extents[at + 1];
    const lastIndex = next === undefined ? this.#lastIndex : ((next.firstIndex - 1) as LogIndex);
    const position = point === extent.points[0] ? extent.position : point.position;
    return { segment: extent.segment, point, position, lastIndex };
  }

  /** Blocks from here on are in another segment. */
  beginSegment(): void {
    this.#isOpen = false;
    // Its first extent begins with a point and continues a term.
    this.#footerBytes = EMPTY_FOOTER_BYTES + FOOTER_TERM_RUN_BYTES;
  }

  /**
   * Forgets all entries after `lastIndex`.
   * @param lastChecksum of the entry there, which this map does not know.
   */
  truncate(lastIndex: LogIndex, lastChecksum: number): void {
    assert(
      lastIndex >= this.#base.index && lastIndex < this.#lastIndex,
      () => `truncating ${this.#range()} to ${lastIndex}`,
    );
    this.#epoch += 1;
    this.#cutTo(lastIndex, lastChecksum);
  }

  /** Adds the entries of a block, which continue the log, written at `position` of a segment. */
  addBlock(segment: Segment, position: number, entries: readonly Entry[]): void {
    let at = position + BLOCK_HEADER_BYTES;
    let extent = this.#extents.at(-1);
    if (!this.#isOpen || extent === undefined) {
      const firstIndex = (this.#lastIndex + 1) as LogIndex;
      extent = { segment, firstIndex, position, points: [] };
      if (entries.length > 0) {
        this.#extents.push(extent);
        this.#isOpen = true;
        this.#footerBytes += FOOTER_EXTENT_BYTES;
      }
    }
    const sizes = [extent.points.length, this.#termRuns.length, this.#configurations.length] as const;
    let nextPoint = (extent.points.at(-1)?.position ?? Number.NEGATIVE_INFINITY) + POINT_SPACING_BYTES;
    for (const entry of entries) {
      if (at >= nextPoint) {
        extent.points.push({ index: entry.index, position: at, previousChecksum: this.#lastChecksum });
        nextPoint = at + POINT_SPACING_BYTES;
      }
      if (entry.term !== this.#lastTerm) {
        this.#termRuns.push({ firstIndex: entry.index, term: entry.term });
        this.#lastTerm = entry.term;
      }
      if (entry.kind === EntryKind.configuration) this.#configurations.push(entry.index);
      this.#lastChecksum = entry.checksum;
      at += entry.bytes.length;
    }
    this.#lastIndex = (this.#lastIndex + entries.length) as LogIndex;
    this.#footerBytes +=
      (extent.points.length - sizes[0]) * FOOTER_POINT_BYTES +
      (this.#termRuns.length - sizes[1]) * FOOTER_TERM_RUN_BYTES +
      (this.#configurations.length - sizes[2]) * FOOTER_CONFIGURATION_BYTES;
  }

  /** Adds what a sealed segment holds, as its footer tells. */
  addSegment(contents: SegmentContents): void {
    for (const extent of contents.extents) {
      if (extent.firstIndex <= this.#lastIndex) this.#cutTo((extent.firstIndex - 1) as LogIndex, 0);
      this.#extents.push(extent);
      this.#lastIndex = extent.firstIndex;
    }
    if (contents.lastIndex < this.#lastIndex) this.#cutTo(contents.lastIndex, 0);
    for (const run of contents.termRuns)
      if (run.term !== this.#termRuns.at(-1)?.term) this.#termRuns.push(run);
    this.#configurations.push(...contents.configurations);
    this.#lastIndex = contents.lastIndex;
    this.#lastTerm = contents.lastTerm;
    this.#lastChecksum = contents.lastChecksum;
    this.#epoch = contents.epoch;
    this.#isOpen = false;
  }

  /**
   * Whether the log could begin with this segment: not if it, or a later one, takes back something of what came before,
   * for then its header tells of an entry that is no more.
   */
  canBeginWith({ header }: Segment): boolean {
    return this.#extents.every(
      ({ segment, firstIndex }) =>
        segment.header.sequence < header.sequence || firstIndex >= header.firstIndex,
    );
  }

  /** Forgets everything before this segment. */
  beginWith({ header }: Segment): void {
    const { firstIndex, previousTerm: term, previousChecksum: checksum } = header;
    const index = (firstIndex - 1) as LogIndex;
    this.#base = { index, term, checksum };
    this.#firstSegment = header.sequence;
    const kept = this.#extents.findIndex(({ segment }) => segment.header.sequence >= header.sequence);
    this.#extents.splice(0, kept < 0 ? this.#extents.length : kept);
    this.#termRuns.splice(0, Math.max(0, lastAtOrBefore(this.#termRuns, index)));
    if (this.#termRuns[0] !== undefined && this.#termRuns[0].firstIndex < index)
      this.#termRuns[0] = { firstIndex: index, term };
    const configurations = this.#configurations.findIndex((at) => at > index);
    this.#configurations.splice(0, configurations < 0 ? this.#configurations.length : configurations);
  }

  /** What of the log lies in this segment, for its footer. */
  contentsOf(segment: Segment): SegmentContents {
    const extents = this.#extents.filter((extent) => extent.segment === segment);
    const firstIndex = extents[0]?.firstIndex ?? ((this.#lastIndex + 1) as LogIndex);
    const termRuns = this.#termRuns.filter((run) => run.firstIndex >= firstIndex);
    // A run that began before the segment goes on in it: it needs a beginning here too.
    const before = this.#termRuns[lastAtOrBefore(this.#termRuns, firstIndex)];
    if (extents.length > 0 && before !== undefined && before.firstIndex < firstIndex) {
      termRuns.unshift({ firstIndex, term: before.term });
    }
    return {
      lastIndex: this.#lastIndex,
      lastTerm: this.#lastTerm,
      lastChecksum: this.#lastChecksum,
      epoch: this.#epoch,
      extents,
      termRuns,
      configurations: this.#configurations.filter((index) => index >= firstIndex),
    };
  }

  #cutTo(lastIndex: LogIndex, lastChecksum: number): void {
    while ((this.#extents.at(-1)?.firstIndex ?? 0) > lastIndex) this.#extents.pop();
    const points = this.#extents.at(-1)?.points ?? [];
    while ((points.at(-1)?.index ?? 0) > lastIndex) points.pop();
    while ((this.#termRuns.at(-1)?.firstIndex ?? 0) > lastIndex) this.#termRuns.pop();
    while ((this.#configurations.at(-1) ?? 0) > lastIndex) this.#configurations.pop();
    this.#lastIndex = lastIndex;
    this.#lastTerm = this.#termRuns.at(-1)?.term ?? NO_TERM;
    this.#lastChecksum = lastChecksum;
    this.#isOpen = false;
  }

  #range(): string {
    return `${this.firstIndex}..${this.#lastIndex}`;
  }
}

/** What a segment adds to the log, and what the log is at its end. */
export interface SegmentContents {
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly lastChecksum: number;
  readonly epoch: number;
  readonly extents: readonly Extent[];
  readonly termRuns: readonly TermRun[];
  readonly configurations: readonly LogIndex[];
}

/** Place of the last element whose first index is not above `index`; -1 if there is none. */
function lastAtOrBefore(sorted: readonly { readonly firstIndex: LogIndex }[], index: LogIndex): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const element = sorted[middle];
    if (element !== undefined && element.firstIndex <= index) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function lastPointAtOrBefore(points: readonly Point[], index: LogIndex): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const point = points[middle];
    if (point !== undefined && point.index <= index) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
