import type { Disk } from '../base/ports/disk.ts';
import { parseKeyRunName, parseQueueFileName } from './format.ts';
import { decodeKeyBlock, RUN_BLOCK_BYTES } from './key-run.ts';
import { decodeUnit, UNIT_BYTES } from './unit.ts';

/** A unit or a block that does not verify. */
export interface QueueDamage {
  /** In the folder. */
  readonly file: string;
  readonly position: number;
}

const READ_BYTES_MAX: number = RUN_BLOCK_BYTES * UNIT_BYTES;

/**
 * Reads all consume queues and runs of keys. What does not verify costs nothing but the time to make it again from the
 * log. Never writes. A folder that is not there holds nothing; a node may be running on it, and then what it is just
 * writing may show.
 * @throws DiskError
 */
export function* verifyQueues(disk: Disk, directory: string): Generator<QueueDamage, void> {
  if (!disk.existsSync(directory)) return;
  for (const file of disk.listSync(directory)) {
    const queue = parseQueueFileName(file);
    if (queue !== null) yield* damagedUnits(disk, directory, file, queue.queue);
    else if (parseKeyRunName(file) !== null) yield* damagedBlocks(disk, directory, file);
  }
}

/** Only units that have a good one behind them: the end may never have been written, and is not believed either way. */
function* damagedUnits(
  disk: Disk,
  directory: string,
  file: string,
  queue: number,
): Generator<QueueDamage, void> {
  let bad: QueueDamage[] = [];
  for (const { bytes, position } of pieces(disk, `${directory}/${file}`)) {
    for (let at = 0; at + UNIT_BYTES <= bytes.length; at += UNIT_BYTES) {
      if (decodeUnit(bytes, at, queue) === null) bad.push({ file, position: position + at });
      else {
        yield* bad;
        bad = [];
      }
    }
  }
}

function* damagedBlocks(disk: Disk, directory: string, file: string): Generator<QueueDamage, void> {
  for (const { bytes, position } of pieces(disk, `${directory}/${file}`)) {
    for (let at = 0; at < bytes.length; at += RUN_BLOCK_BYTES) {
      const block = bytes.subarray(at, at + RUN_BLOCK_BYTES);
      if (decodeKeyBlock(block, (position + at) / RUN_BLOCK_BYTES) === null)
        yield { file, position: position + at };
    }
  }
}

function* pieces(disk: Disk, path: string): Generator<{ bytes: Uint8Array; position: number }, void> {
  const file = disk.openSync(path, 'read');
  try {
    const buffer = new Uint8Array(READ_BYTES_MAX);
    for (let position = 0; ; position += buffer.length) {
      const bytes = buffer.subarray(0, file.readSync(buffer, position));
      if (bytes.length > 0) yield { bytes, position };
      if (bytes.length < buffer.length) return;
    }
  } finally {
    file.closeSync();
  }
}
