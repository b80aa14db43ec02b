import {
  CONFIGURATION_VERSION,
  encodeConfiguration,
  type Configuration,
} from '../../../../src/base/configuration.ts';
import { crc32 } from '../../../../src/base/crc32.ts';
import { EntryKind, type EntryDraft } from '../../../../src/base/entry.ts';

export function configurationDraft(configuration: Configuration): EntryDraft {
  return draft(EntryKind.configuration, CONFIGURATION_VERSION, 0, encodeConfiguration(configuration));
}

/** A proposal that says `text`, padded with zeros to `bytes`. */
export function textDraft(text: string, bytes = 0): EntryDraft {
  const encoded = new TextEncoder().encode(text);
  const body = new Uint8Array(Math.max(bytes, encoded.length));
  body.set(encoded);
  return draft(EntryKind.command, 1, 0, body);
}

function draft(kind: EntryDraft['kind'], version: number, recordCount: number, body: Uint8Array): EntryDraft {
  return { kind, version, queue: 0, recordCount, body, bodyChecksum: crc32(body) };
}
