import { crc32 } from '../../../../src/base/crc32.ts';
import { EntryKind, type EntryDraft } from '../../../../src/base/entry.ts';

/** A proposal that says `text`, padded with zeros to `bytes`. */
export function textDraft(text: string, bytes = 0): EntryDraft {
  const encoded = new TextEncoder().encode(text);
  const body = new Uint8Array(Math.max(bytes, encoded.length));
  body.set(encoded);
  return { kind: EntryKind.command, version: 1, queue: 0, recordCount: 0, body, bodyChecksum: crc32(body) };
}
