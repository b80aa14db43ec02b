import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ItemWriter, type ItemForms } from '../../src/cli/item-writer.ts';
import { ANSWER_FORMATS, type OutputFormat } from '../../src/cli/output.ts';
import { stdoutOf } from './support/stdout.ts';

const FORMS: ItemForms<string> = {
  kind: 'Words',
  plural: 'words',
  head: 'WORD',
  object: (word) => ({ word }),
  line: (word) => `<${word}>`,
  raw: (word) => Buffer.from(word),
};

async function written(format: OutputFormat, words: readonly string[]): Promise<string> {
  return stdoutOf(async () => {
    const writer = new ItemWriter(format, FORMS, new Date(0));
    for (const word of words) if (!writer.add(word)) await writer.flush();
    await writer.end();
  });
}

describe('items', () => {
  test('are lines for people, below a head', async () => {
    expect(await written('table', ['a', 'b'])).toBe('WORD\n<a>\n<b>\n');
    expect(await written('table', [])).toBe('WORD\n');
  });

  test('are bytes in raw form, and objects in lines of JSON', async () => {
    expect(await written('raw', ['a', '', 'b'])).toBe('a\n\nb\n');
    expect(await written('ndjson', ['a', 'b'])).toBe('{"word":"a"}\n{"word":"b"}\n');
    expect((await written('raw', [])) + (await written('ndjson', []))).toBe('');
  });

  test.each([[[]], [['a']], [['a', 'b', 'c']]])('are the data of an envelope: %j', async (words) => {
    const envelope = {
      apiVersion: 'dledger/v1',
      kind: 'Words',
      at: '1970-01-01T00:00:00.000Z',
      sources: [],
      data: { words: words.map((word) => ({ word })) },
      warnings: [],
    };
    expect(JSON.parse(await written('json', words))).toEqual(envelope);
    expect(parse(await written('yaml', words))).toEqual(envelope);
  });

  test('cannot move a terminal in any structured form', async () => {
    for (const format of ANSWER_FORMATS.filter((one) => one !== 'table' && one !== 'wide'))
      expect(await written(format, ['\u001b[2J\u009b31m\u007f'])).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  test('go out in large writes, however many there are', async () => {
    const words = Array.from({ length: 20_000 }, (_, at) => `word ${at} ${'x'.repeat(40)}`);
    let refusals = 0;
    const out = await stdoutOf(async () => {
      const writer = new ItemWriter('raw', FORMS, new Date(0));
      for (const word of words) {
        if (writer.add(word)) continue;
        refusals += 1;
        await writer.flush();
      }
      await writer.end();
    });
    expect(out).toBe(`${words.join('\n')}\n`);
    expect(refusals).toBeGreaterThan(1);
    expect(refusals).toBeLessThan(10);
  });
});
