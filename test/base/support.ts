import fc from 'fast-check';
import { crc32 } from '../../src/base/crc32.ts';
import { type EntryDraft, EntryKind, type EntryPlace } from '../../src/base/entry.ts';
import { FIRST_GROUP, logIndex, term } from '../../src/base/units.ts';

/** A batch entry with these body bytes and an honest body checksum. */
export function draftOf(body: Uint8Array, fields: Partial<EntryDraft> = {}): EntryDraft {
  return {
    kind: EntryKind.batch,
    version: 1,
    queue: 0,
    recordCount: 1,
    body,
    bodyChecksum: crc32(body),
    ...fields,
  };
}

export function placeAt(
  firstIndex: number,
  previousChecksum = 0,
  fields: Partial<EntryPlace> = {},
): EntryPlace {
  return {
    group: FIRST_GROUP,
    firstIndex: logIndex(firstIndex),
    term: term(3),
    time: 1_700_000_000_000,
    previousChecksum,
    ...fields,
  };
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

export const uint32: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffff_ffff });
export const uint53: fc.Arbitrary<number> = fc.maxSafeNat();

export const drafts: fc.Arbitrary<EntryDraft[]> = fc.array(
  fc
    .record({
      kind: fc.constantFrom(...Object.values(EntryKind)),
      version: fc.integer({ min: 0, max: 255 }),
      queue: uint32,
      recordCount: uint32,
      body: fc.uint8Array({ maxLength: 200 }),
    })
    .map(({ body, ...fields }) => draftOf(body, fields)),
  { minLength: 1, maxLength: 8 },
);
