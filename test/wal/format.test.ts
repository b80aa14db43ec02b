import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EntryKind } from '../../src/base/entry.ts';
import { encodeBlockHeader } from '../../src/wal/segment-format.ts';
import { index, makeEntries } from './harness.ts';

test('the worked example of the format page is what the code writes', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/wal-format.md'), 'utf8');
  const rows = [...page.matchAll(/^ +(\d{3}) ((?:[0-9a-f]{2} ){15}[0-9a-f]{2})/gm)];
  expect(rows.map(([, position]) => position)).toEqual(['512', '528', '544', '560', '576', '592']);
  const [entry] = makeEntries(1, 1, 0, { kind: EntryKind.noop });
  const header = { length: 64, sequence: 1, epoch: 0, firstIndex: index(1), entryCount: 1 };
  const bytes = Buffer.concat([encodeBlockHeader(header, 0x12345678), entry?.bytes ?? Buffer.alloc(0)]);
  expect(rows.map(([, , hex = '']) => hex.replaceAll(' ', '')).join('')).toBe(bytes.toString('hex'));
});
