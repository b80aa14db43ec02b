import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantViolation } from '../../src/base/assert.ts';
import { crc32 } from '../../src/base/crc32.ts';
import {
  coalesceEntryBytes,
  ENTRY_BODY_BYTES_MAX,
  ENTRY_HEADER_BYTES,
  type Entry,
  entryBody,
  entryBodyChecksum,
  EntryFormatError,
  entryGroup,
  EntryKind,
  entryQueue,
  entryRecordCount,
  entryTime,
  entryVersion,
  parseEntries,
  sealEntries,
} from '../../src/base/entry.ts';
import { type GroupId, logIndex, term } from '../../src/base/units.ts';
import { concat, drafts, draftOf, placeAt, uint32, uint53 } from './support.ts';

const three = sealEntries(
  ['first', 'the second entry', ''].map((text) => draftOf(new TextEncoder().encode(text))),
  placeAt(41, 0x1234_5678),
);
const threeBytes = concat(three.map((entry) => entry.bytes));
const chained = { previousChecksum: 0x1234_5678, firstIndex: logIndex(41) };

function formatErrorOf(action: () => unknown): EntryFormatError {
  try {
    action();
  } catch (error) {
    if (error instanceof EntryFormatError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('sealing', () => {
  test('lays the header out as documented', () => {
    const body = Uint8Array.of(1, 2, 3);
    const draft = draftOf(body, { kind: EntryKind.command, version: 7, queue: 0x0403_0201, recordCount: 9 });
    const [entry] = sealEntries(
      [draft],
      placeAt(0x1f_0000_0002, 0xabcd, { group: 5 as GroupId, term: term(6), time: 0x2_0000_0001 }),
    );
    const header = entry?.bytes.subarray(0, ENTRY_HEADER_BYTES) ?? new Uint8Array();
    const checksumAt = (offset: number): number => new DataView(header.buffer).getUint32(offset, true);
    expect([...header.subarray(0, 56)]).toEqual(
      [
        [67, 0, 0, 0, 5, 0, 0, 0],
        [2, 0, 0, 0, 0x1f, 0, 0, 0],
        [6, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 2, 0, 0, 0],
        [1, 2, 3, 4, 9, 0, 0, 0],
        [4, 7, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
      ].flat(),
    );
    expect(checksumAt(56)).toBe(crc32(body));
    expect(checksumAt(60)).toBe(crc32(header.subarray(0, 60), 0xabcd));
    expect(entry?.checksum).toBe(checksumAt(60));
  });

  test('numbers entries consecutively and chains each to the one before', () => {
    expect(three.map((entry) => entry.index)).toEqual([41, 42, 43]);
    let previous = 0x1234_5678;
    for (const entry of three) {
      expect(entry.checksum).toBe(crc32(entry.bytes.subarray(0, 60), previous));
      previous = entry.checksum;
    }
  });

  test('takes the checksum of the body from whoever made the body', () => {
    // The leader must not paper over a body that was damaged on its way: the receiver has to see the difference.
    const damaged = sealEntries([draftOf(Uint8Array.of(1, 2, 3), { bodyChecksum: 99 })], placeAt(1));
    const bytes = concat(damaged.map((entry) => entry.bytes));
    expect(formatErrorOf(() => parseEntries(bytes, { previousChecksum: 0 })).code).toBe(
      'ENTRY_BODY_CHECKSUM',
    );
  });

  test('refuses a body over the limit and takes one at it', () => {
    const largest = draftOf(new Uint8Array(ENTRY_BODY_BYTES_MAX));
    const [entry] = sealEntries([largest], placeAt(1));
    expect(parseEntries(entry?.bytes ?? new Uint8Array(), { previousChecksum: 0 })).toHaveLength(1);
    const over = draftOf(new Uint8Array(ENTRY_BODY_BYTES_MAX + 1));
    expect(() => sealEntries([over], placeAt(1))).toThrow(InvariantViolation);
  });
});

describe('sealing and parsing', () => {
  test('give back what went in', () => {
    const place = fc.record({ firstIndex: uint53, term: uint53, time: uint53, previousChecksum: uint32 });
    fc.assert(
      fc.property(drafts, place, uint32, (these, at, group) => {
        const firstIndex = Math.min(at.firstIndex, Number.MAX_SAFE_INTEGER - these.length);
        const sealed = sealEntries(these, {
          group: group as GroupId,
          firstIndex: logIndex(firstIndex),
          term: term(at.term),
          time: at.time,
          previousChecksum: at.previousChecksum,
        });
        const parsed = parseEntries(concat(sealed.map((entry) => entry.bytes)), {
          previousChecksum: at.previousChecksum,
          firstIndex: logIndex(firstIndex),
        });
        expect(parsed.map(described)).toEqual(
          these.map((draft, offset) => ({
            index: firstIndex + offset,
            term: at.term,
            kind: draft.kind,
            checksum: sealed[offset]?.checksum,
            time: at.time,
            group,
            queue: draft.queue,
            recordCount: draft.recordCount,
            version: draft.version,
            body: [...draft.body],
            bodyChecksum: crc32(draft.body),
          })),
        );
      }),
    );
  });

  test('agree on entries that stand apart from their predecessors', () => {
    const [first, , third] = three;
    const apart = concat([third?.bytes ?? new Uint8Array(), first?.bytes ?? new Uint8Array()]);
    expect(parseEntries(apart, { previousChecksum: null }).map((entry) => entry.index)).toEqual([43, 41]);
  });

  test('keep a kind that only a newer leader knows', () => {
    const [entry] = sealEntries([draftOf(new Uint8Array(), { kind: 200 as EntryKind })], placeAt(1));
    expect(parseEntries(entry?.bytes ?? new Uint8Array(), { previousChecksum: 0 })[0]?.kind).toBe(200);
  });

  test('work at any offset of a larger buffer', () => {
    const larger = new Uint8Array(threeBytes.length + 20);
    larger.set(threeBytes, 7);
    const parsed = parseEntries(larger.subarray(7, 7 + threeBytes.length), chained);
    expect(parsed.map(described)).toEqual(three.map(described));
  });

  test('of nothing give nothing', () => {
    expect(sealEntries([], placeAt(1))).toEqual([]);
    expect(parseEntries(new Uint8Array(), { previousChecksum: 0 })).toEqual([]);
  });
});

describe('parsing detects', () => {
  test('every bit flipped anywhere in a chain of entries', () => {
    for (let at = 0; at < threeBytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const damaged = threeBytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(() => parseEntries(damaged, chained), `byte ${at}, bit ${bit}`).toThrow(EntryFormatError);
      }
    }
  });

  test('every byte replaced by any other', () => {
    const anywhere = fc.integer({ min: 0, max: threeBytes.length - 1 });
    fc.assert(
      fc.property(anywhere, fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const damaged = threeBytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ mask;
        expect(() => parseEntries(damaged, chained)).toThrow(EntryFormatError);
      }),
      { numRuns: 500 },
    );
  });

  test('the bad entry and says where it begins', () => {
    const [first, second] = three;
    const secondAt = first?.bytes.length ?? 0;
    const thirdAt = secondAt + (second?.bytes.length ?? 0);
    const flipped = (at: number): EntryFormatError => {
      const damaged = threeBytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      return formatErrorOf(() => parseEntries(damaged, chained));
    };
    expect(flipped(secondAt + ENTRY_HEADER_BYTES)).toMatchObject({
      code: 'ENTRY_BODY_CHECKSUM',
      offset: secondAt,
    });
    expect(flipped(secondAt + 8)).toMatchObject({ code: 'ENTRY_HEADER_CHECKSUM', offset: secondAt });
    expect(flipped(thirdAt + 60)).toMatchObject({ code: 'ENTRY_HEADER_CHECKSUM', offset: thirdAt });
  });

  test('an index above 2^53-1, and says where that entry begins', () => {
    // Such a number is honest bytes to both checksums, so it takes a forger; it must still be refused, not rounded.
    const [first] = three;
    const firstBytes = first?.bytes ?? new Uint8Array();
    const forged = firstBytes.slice();
    forged.fill(0xff, 8, 16);
    new DataView(forged.buffer).setUint32(60, crc32(forged.subarray(0, 60), first?.checksum ?? 0), true);
    const error = formatErrorOf(() => parseEntries(concat([firstBytes, forged]), chained));
    expect(error).toMatchObject({ code: 'ENTRY_FIELD', offset: firstBytes.length });
  });

  test('bytes that end inside an entry, wherever they end', () => {
    const whole = new Set([0]);
    for (const entry of three) whole.add(Math.max(...whole) + entry.bytes.length);
    for (let length = 0; length <= threeBytes.length; length += 1) {
      const parse = (): Entry[] => parseEntries(threeBytes.subarray(0, length), chained);
      if (whole.has(length)) expect(parse().length, `${length} bytes`).toBe([...whole].indexOf(length));
      else expect(formatErrorOf(parse).code, `${length} bytes`).toBe('ENTRY_TRUNCATED');
    }
  });

  test('lengths no entry can have', () => {
    for (const length of [
      0,
      1,
      ENTRY_HEADER_BYTES - 1,
      ENTRY_HEADER_BYTES + ENTRY_BODY_BYTES_MAX + 1,
      0xffff_ffff,
    ]) {
      const damaged = threeBytes.slice();
      new DataView(damaged.buffer).setUint32(0, length, true);
      expect(formatErrorOf(() => parseEntries(damaged, { previousChecksum: null })).code).toBe(
        'ENTRY_LENGTH',
      );
    }
  });

  test('an entry left out, repeated, swapped or put behind another log', () => {
    const [first, second, third] = three.map((entry) => entry.bytes);
    if (first === undefined || second === undefined || third === undefined) throw new Error('three entries');
    const wrong = [
      [second, third],
      [first, third],
      [first, first],
      [first, third, second],
      [first, second, second],
    ];
    for (const order of wrong) {
      const { previousChecksum } = chained;
      const error = formatErrorOf(() => parseEntries(concat(order), { previousChecksum }));
      expect(error.code).toBe('ENTRY_HEADER_CHECKSUM');
    }
    const elsewhere = { ...chained, previousChecksum: 0x1234_5679 };
    expect(formatErrorOf(() => parseEntries(threeBytes, elsewhere)).code).toBe('ENTRY_HEADER_CHECKSUM');
  });

  test('an index other than the expected one', () => {
    const error = formatErrorOf(() => parseEntries(threeBytes, { ...chained, firstIndex: logIndex(40) }));
    expect(error).toMatchObject({ code: 'ENTRY_FIELD', offset: 0 });
  });
});

describe('the chain', () => {
  test('tells two histories apart for ever, even where their later entries are the same drafts', () => {
    fc.assert(
      fc.property(drafts, drafts, drafts, (one, other, later) => {
        const tail = (history: typeof one): number | undefined => {
          const sealed = sealEntries([...history, ...later], placeAt(1));
          return sealed.at(-1)?.checksum;
        };
        const same = JSON.stringify(one) === JSON.stringify(other);
        // Two histories of one length differ somewhere, unless they are equal.
        if (one.length === other.length) expect(tail(one) === tail(other)).toBe(same);
      }),
    );
  });
});

describe('coalescing', () => {
  test('keeps every byte in order', () => {
    const parts = fc.array(fc.tuple(drafts, fc.boolean()), { maxLength: 5 });
    fc.assert(
      fc.property(parts, (groups) => {
        const entries = groups.flatMap(([these, copied]) => {
          const sealed = sealEntries(these, placeAt(1));
          return copied ? sealed.map((entry) => ({ ...entry, bytes: entry.bytes.slice() })) : sealed;
        });
        const runs = coalesceEntryBytes(entries);
        expect([...concat(runs)]).toEqual([...concat(entries.map((entry) => entry.bytes))]);
        const runsExpected = groups.reduce((sum, [these, copied]) => sum + (copied ? these.length : 1), 0);
        expect(runs).toHaveLength(runsExpected);
      }),
    );
  });

  test('makes one run of what was sealed or received together', () => {
    expect(coalesceEntryBytes(three)).toHaveLength(1);
    expect(coalesceEntryBytes(parseEntries(threeBytes, chained))).toHaveLength(1);
  });

  test('does not bridge a gap or join out of order', () => {
    const [first, second, third] = three;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three entries');
    expect(coalesceEntryBytes([first, third])).toHaveLength(2);
    expect(coalesceEntryBytes([second, first])).toHaveLength(2);
    expect(coalesceEntryBytes([first, second, third, first])).toHaveLength(2);
  });

  test('of nothing is nothing', () => {
    expect(coalesceEntryBytes([])).toEqual([]);
  });
});

function described(entry: Entry): Record<string, unknown> {
  return {
    index: entry.index,
    term: entry.term,
    kind: entry.kind,
    checksum: entry.checksum,
    time: entryTime(entry),
    group: entryGroup(entry),
    queue: entryQueue(entry),
    recordCount: entryRecordCount(entry),
    version: entryVersion(entry),
    body: [...entryBody(entry)],
    bodyChecksum: entryBodyChecksum(entry),
  };
}
