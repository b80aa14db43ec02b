import type { Prng } from '../base/prng.ts';
import { BLOCK_HEADER_BYTES, SEGMENT_HEADER_BYTES, segmentSequence } from '../wal/format.ts';
import { readIdentity } from '../wal/identity.ts';
import { decodeBlockHeader, segmentSeed } from '../wal/segment-format.ts';
import { WatermarkFile, type Watermark } from '../wal/watermark.ts';
import type { CrashableDisk } from './crashable-disk.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

const DIRECTORY = '/data/';

/** Bytes of one file that hold nothing but records which all nodes had. */
interface Span {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

interface Block extends Span {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly truncates: boolean;
}

/**
 * Records rot where they lie, under nodes that run and under nodes that do not, at as many of them as it likes, in the same records
 * too: but never at one of them, the keeper, and only what that one has for certain. So all of it must come back by itself.
 */
export class RecordRot {
  readonly #cluster: SimulatedCluster;
  readonly #keeper: string;
  /** Up to here every node has had the log durable, and known it to be committed. */
  #heldByAll = 0;

  constructor(cluster: SimulatedCluster, seed: number) {
    this.#cluster = cluster;
    this.#keeper = cluster.ids[seed % cluster.ids.length] ?? '';
  }

  /** To be called now and then. */
  note(): void {
    let held = Number.POSITIVE_INFINITY;
    for (const id of this.#cluster.ids) {
      const core = this.#cluster.core(id);
      held = Math.min(held, core?.durableIndex ?? 0, core?.commitIndex ?? 0);
    }
    this.#heldByAll = Math.max(this.#heldByAll, held);
  }

  /** @returns what was done, or null where there is nothing that may be damaged. */
  strike(id: string, prng: Prng): string | null {
    this.note();
    if (id === this.#keeper) return null;
    const disk = this.#cluster.disk(id);
    const spans = spansOf(disk, this.#heldByAll);
    const span = spans[prng.below(Math.max(1, spans.length))];
    if (span === undefined) return null;
    const at = span.from + prng.below(span.to - span.from);
    const kind = prng.below(4);
    if (kind <= 1) {
      const bit = prng.below(8);
      disk.setByte(span.path, at, (byte) => byte ^ (1 << bit));
      return `bit ${bit} of byte ${at} in ${span.path} of ${id} flips`;
    }
    const unit = prng.chance(0.7) ? 512 : 4096;
    const from = Math.max(span.from, Math.floor(at / unit) * unit);
    const to = Math.min(span.to, from + unit);
    const isNoise = kind === 3;
    for (let position = from; position < to; position += 1)
      disk.setByte(span.path, position, () => (isNoise ? prng.below(256) : 0));
    return `bytes ${from} to ${to} in ${span.path} of ${id} are ${isNoise ? 'noise' : 'zeros'} now`;
  }
}

/**
 * Where only blocks lie that all nodes have, that nothing took back and that take nothing back, and that the watermark knows of: what it does not cover yet may,
 * once it is damaged, look like a torn write.
 */
function spansOf(disk: CrashableDisk, heldByAll: number): Span[] {
  const watermark = watermarkOn(disk);
  if (watermark === null) return [];
  const blocks: Block[] = [];
  let epoch = 0;
  for (const path of disk.paths) {
    if (!path.startsWith(DIRECTORY) || segmentSequence(path.slice(DIRECTORY.length)) === null) continue;
    const bytes = disk.visible(path);
    const seed = segmentSeed(bytes.subarray(0, SEGMENT_HEADER_BYTES));
    for (let from = SEGMENT_HEADER_BYTES; ; ) {
      const header = decodeBlockHeader(bytes, from, seed);
      if (header === null) break;
      const { firstIndex, entryCount } = header;
      const to = from + BLOCK_HEADER_BYTES + header.length;
      const truncates = header.epoch !== epoch;
      epoch = header.epoch;
      blocks.push({ path, from, to, firstIndex, lastIndex: firstIndex + entryCount - 1, truncates });
      from = to;
    }
  }
  const spans: Span[] = [];
  let oldest = Number.POSITIVE_INFINITY;
  for (const { path, from, to, firstIndex, lastIndex, truncates } of blocks.toReversed()) {
    // What a later block took back, nobody else has; and one without entries is only there to take something back.
    const isWhole = lastIndex < oldest && lastIndex >= firstIndex;
    if (isWhole && !truncates && lastIndex <= Math.min(heldByAll, watermark.index))
      spans.push({ path, from, to });
    oldest = Math.min(oldest, firstIndex);
  }
  return spans.toReversed();
}

/** What the nemesis looks at is no operation of the machine: nobody dies of it. */
function watermarkOn(disk: CrashableDisk): Watermark | null {
  const { onOperation } = disk;
  disk.onOperation = null;
  try {
    const identity = readIdentity(disk, DIRECTORY);
    if (identity === null || !disk.existsSync(`${DIRECTORY}watermark`)) return null;
    const file = disk.openSync(`${DIRECTORY}watermark`, 'read');
    const watermark = WatermarkFile.read(file, identity);
    file.closeSync();
    return watermark;
  } finally {
    disk.onOperation = onOperation;
  }
}
