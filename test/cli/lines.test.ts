import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineTooLongError, splitLines } from '../../src/cli/lines.ts';

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function linesOf(chunks: readonly Uint8Array[], lineBytesMax = 1 << 20): Promise<string[]> {
  const lines: string[] = [];
  for await (const some of splitLines(stream(chunks), lineBytesMax))
    for (const line of some) lines.push(Buffer.from(line).toString('latin1'));
  return lines;
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('a stream of lines', () => {
  test.each([
    ['nothing', '', []],
    ['one line', 'a\n', ['a']],
    ['a last line without a line feed', 'a\nb', ['a', 'b']],
    ['empty lines, also the first and the last', '\n\na\n\n', ['', '', 'a', '']],
    ['a carriage return, which belongs to its line', 'a\r\nb\r\n', ['a\r', 'b\r']],
    ['a carriage return alone, which ends nothing', 'a\rb', ['a\rb']],
    ['zeros and bytes that are no text', '\0\xff\n\xfe', ['\0\xff', '\xfe']],
  ])('%s', async (_name, text, lines) => {
    expect(await linesOf([bytes(text)])).toEqual(lines);
  });

  test('is the same lines wherever its chunks end', async () => {
    const text = fc
      .array(fc.constantFrom('\n', 'a', '\r', 'ÿ'), { maxLength: 40 })
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat({ max: 40 }), { maxLength: 8 }), async (whole, cuts) => {
        const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
        const chunks = at.slice(1).map((end, index) => bytes(whole.slice(at[index], end)));
        const expected = whole.split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(await linesOf(chunks)).toEqual(expected);
      }),
    );
  });

  test('comes a chunk at a time, not at its end', async () => {
    const lines = splitLines(stream([bytes('a\nb\nc'), bytes('d\n'), bytes('e')]), 10);
    const texts = async (): Promise<string[]> => {
      const next = await lines.next();
      return (next.value ?? []).map((line: Uint8Array) => Buffer.from(line).toString());
    };
    expect(await texts()).toEqual(['a', 'b']);
    expect(await texts()).toEqual(['cd']);
    expect(await texts()).toEqual(['e']);
    expect((await lines.next()).done).toBe(true);
  });

  test('may have a line over many chunks', async () => {
    const chunks = Array.from({ length: 1000 }, () => bytes('x'.repeat(100)));
    expect(await linesOf([...chunks, bytes('\n')])).toEqual(['x'.repeat(100_000)]);
  });

  test('may have lines of just the limit, and none above, wherever its chunks end', async () => {
    const text = 'abcde\n\nfghij';
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: text.length }), async (cut) => {
        const chunks = [bytes(text.slice(0, cut)), bytes(text.slice(cut))];
        expect(await linesOf(chunks, 5)).toEqual(['abcde', '', 'fghij']);
        await expect(linesOf(chunks, 4)).rejects.toMatchObject({ line: 1 });
      }),
    );
  });

  test('hands out what came before a line that is too long, then names that line', async () => {
    const lines = splitLines(stream([bytes('a\nbb\nccc\nd\n')]), 2);
    expect((await lines.next()).value).toHaveLength(2);
    await expect(lines.next()).rejects.toEqual(new LineTooLongError(3, 3, true));
  });

  test('does not wait for the end of a line that is too long already', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield bytes('x'.repeat(10));
    }
    const lines = splitLines(endless(), 35);
    await expect(lines.next()).rejects.toEqual(new LineTooLongError(1, 40, false));
  });
});
