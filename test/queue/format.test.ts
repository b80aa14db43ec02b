import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { hashText } from '../../src/base/message.ts';
import type { LogIndex } from '../../src/base/units.ts';
import { keyRunName, parseKeyRunName, parseQueueFileName, queueFileName } from '../../src/queue/format.ts';
import { KeyTable, RUN_BLOCK_BYTES, decodeKeyBlock } from '../../src/queue/key-run.ts';
import { UNIT_BYTES, decodeUnit, encodeUnit, type Unit } from '../../src/queue/unit.ts';

const page = fs.readFileSync(path.join(import.meta.dirname, '../../docs/queue-format.md'), 'utf8');
const index = (value: number): LogIndex => value as LogIndex;

const UNIT: Unit = {
  baseOffset: 5,
  index: index(42),
  timeMs: 1_700_000_000_000,
  bytesBefore: 1000,
  count: 2,
  tagMask: 0x10,
  entryBytes: 200,
};

/** The lines of a dump, as the page shows them. */
function dump(bytes: Uint8Array, at: number): string {
  const row = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `${String(at).padStart(6)} ${row.join(' ')}`;
}

describe('a unit', () => {
  const bytes = new Uint8Array(UNIT_BYTES);
  encodeUnit(bytes, 0, 7, UNIT);

  test('has the bytes that the page shows', () => {
    for (const at of [0, 16, 32]) expect(page).toContain(dump(bytes, at));
    expect(decodeUnit(bytes, 0, 7)).toEqual(UNIT);
  });

  test('is none with any bit changed, in another queue, cut off, or of zeros', () => {
    for (let bit = 0; bit < UNIT_BYTES * 8; bit += 1) {
      const changed = bytes.slice();
      changed[bit >>> 3] = (changed[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeUnit(changed, 0, 7)).toBeNull();
    }
    expect(decodeUnit(bytes, 0, 8)).toBeNull();
    expect(decodeUnit(bytes.subarray(0, 47), 0, 7)).toBeNull();
    expect(decodeUnit(new Uint8Array(UNIT_BYTES), 0, 0)).toBeNull();
  });
});

describe('a run of keys', () => {
  test('has the bytes that the page shows', () => {
    const table = new KeyTable(0);
    table.add(hashText('a'), 7, index(42));
    const bytes = table.encode();
    expect(bytes).toHaveLength(RUN_BLOCK_BYTES);
    for (const at of [0, 16, 4080]) expect(page).toContain(dump(bytes, at));
  });

  test('is sorted by hash, then by index, across blocks', () => {
    const table = new KeyTable(0);
    for (let at = 1; at <= 1000; at += 1) table.add(hashText(`k${at % 300}`), 1 + (at % 3), index(at));
    const bytes = table.encode();
    const seen: { hash: number; queue: number; index: number }[] = [];
    for (let number = 0; number * RUN_BLOCK_BYTES < bytes.length; number += 1) {
      const block = decodeKeyBlock(
        bytes.slice(number * RUN_BLOCK_BYTES, (number + 1) * RUN_BLOCK_BYTES),
        number,
      );
      for (let at = 0; at < (block?.count ?? 0); at += 1)
        seen.push({ hash: block?.hash(at) ?? 0, queue: 0, index: 0, ...block?.place(at) });
    }
    expect(seen).toHaveLength(1000);
    const sorted = seen.toSorted((one, other) => one.hash - other.hash || one.index - other.index);
    expect(seen).toEqual(sorted);
    for (const { hash, queue, index: at } of seen) {
      expect(hash).toBe(hashText(`k${at % 300}`));
      expect(queue).toBe(1 + (at % 3));
    }
  });

  test('has no block with a bit changed, or in another place', () => {
    const table = new KeyTable(0);
    table.add(1, 2, index(3));
    const bytes = table.encode();
    for (const at of [0, 5, 9, 17, 30, 2000, 4095]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 8;
      expect(decodeKeyBlock(changed, 0)).toBeNull();
    }
    expect(decodeKeyBlock(bytes, 1)).toBeNull();
    expect(decodeKeyBlock(bytes.subarray(0, 100), 0)).toBeNull();
  });

  test('keeps a key once for each batch', () => {
    const table = new KeyTable(0);
    for (let at = 0; at < 5; at += 1) table.add(9, 1, index(1));
    table.add(9, 1, index(2));
    expect(table.places(9)).toEqual([
      { queue: 1, index: 2 },
      { queue: 1, index: 1 },
    ]);
  });
});

test('names are read back as they were made, and others are not ours', () => {
  expect(parseQueueFileName(queueFileName(4_294_967_295, 12))).toEqual({ queue: 4_294_967_295, number: 12 });
  expect(parseKeyRunName(keyRunName({ after: index(0), last: index(9) }))).toEqual({ after: 0, last: 9 });
  for (const name of [
    'queue-7-0',
    'keys.tmp',
    'keys-1-2',
    'segment-0000000001',
    'queue-0000000001-00000000.tmp',
  ]) {
    expect(parseQueueFileName(name)).toBeNull();
    expect(parseKeyRunName(name)).toBeNull();
  }
});
