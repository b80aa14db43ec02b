import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../../src/base/batch.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { logIndex, term } from '../../src/base/units.ts';
import {
  decodeAppend,
  decodeAppendResults,
  encodeAppend,
  encodeAppendResults,
} from '../../src/wire/client-codec.ts';
import { ERROR_CODES } from '../../src/wire/errors.ts';
import { FRAME_OFFSET, FrameKind, encodeFrame } from '../../src/wire/frame.ts';
import { LIMITS } from '../../src/wire/limits.ts';
import { bytesOf, frameOf, hex } from './support/messages.ts';

// The page that others implement from says what the code does.

const page = fs.readFileSync(path.join(import.meta.dirname, '../../docs/wire-format.md'), 'utf8');

/** The rows of the table whose header begins so, as cells. */
function table(header: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header} |`));
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const examples = [...page.matchAll(/^```hex\n([^]*?)^```/gm)].map(([, text = '']) =>
  hex(text.replace(/;.*$/gm, '')),
);

describe('docs/wire-format.md', () => {
  test('lays out the header as the code does', () => {
    const rows = table('offset | size | field').map(([offset, , field]) => [field, Number(offset)]);
    expect(Object.fromEntries(rows)).toEqual(FRAME_OFFSET);
  });

  test('names every kind of frame', () => {
    const rows = table('kind | name | from → to').map(([kind, name]) => [name, Number(kind)]);
    expect(Object.fromEntries(rows)).toEqual(FrameKind);
  });

  test('says of every error what the code says', () => {
    const rows = table('code | name | retryable').map(([code, name, retryable, outcome]) => [
      name,
      { number: Number(code), retryable: retryable === 'yes', outcome },
    ]);
    expect(Object.fromEntries(rows)).toEqual(ERROR_CODES);
  });

  test('gives every limit its value', () => {
    const rows = table('limit | value').map(([name, value = '']) => [
      name,
      Number(value.replaceAll(',', '')),
    ]);
    expect(Object.fromEntries([...rows, ['protocolVersion', 1]])).toEqual(LIMITS);
  });

  test('shows an append as it is', () => {
    const batch = encodeBatch({ producerId: 2, epoch: 1, sequence: 1 }, [Buffer.from('hello')]);
    const [shown] = examples;
    expect(shown).toEqual(
      bytesOf(encodeAppend(7, { deadlineMs: 30_000, bodyChecksum: crc32(batch), batch })),
    );
    const decoded = decodeAppend(frameOf([shown ?? new Uint8Array(0)]));
    expect(decodeBatch(decoded.batch).map((record) => Buffer.from(record).toString())).toEqual(['hello']);
  });

  test('shows its answer as it is', () => {
    const runs = [{ firstRequestId: 7, count: 1, firstIndex: logIndex(3), term: term(1) }];
    const [, shown] = examples;
    expect(shown).toEqual(bytesOf(encodeFrame(FrameKind.APPEND_RESULTS, 0, [encodeAppendResults(runs)])));
    expect(decodeAppendResults(frameOf([shown ?? new Uint8Array(0)]).body)).toEqual(runs);
  });
});
