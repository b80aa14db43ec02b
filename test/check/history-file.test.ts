import { describe, expect, test } from 'vitest';
import {
  checkHistory,
  HistoryChecker,
  HistoryFormatError,
  HistoryReader,
  HistoryWriter,
  type CheckResult,
} from '../../src/check/index.ts';
import { MUTATIONS } from './mutations.ts';
import { Prng } from '../../src/base/prng.ts';
import { validStory, type Story } from './support.ts';

function written({ events, logs }: Story): string {
  let text = '';
  const writer = new HistoryWriter('a test', (part) => {
    text += part;
  });
  for (const event of events) writer.event(event);
  for (const { node, firstIndex, commitIndex, entries } of logs) {
    writer.beginLog(node, firstIndex, commitIndex);
    for (const entry of entries) writer.entry(entry);
  }
  writer.end();
  return text;
}

/** Reads text in pieces of so many characters. */
function read(text: string, pieceLength = text.length): CheckResult {
  const checker = new HistoryChecker();
  const reader = new HistoryReader(checker);
  for (let at = 0; at < text.length; at += pieceLength) reader.push(text.slice(at, at + pieceLength));
  reader.end();
  expect(reader.header?.recordedBy).toBe('a test');
  return checker.result();
}

function errorOf(text: string): HistoryFormatError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof HistoryFormatError) return error;
    throw error;
  }
  throw new Error('it was read');
}

describe('a recorded history', () => {
  test('says the same as the one that was recorded, in whatever pieces it comes', () => {
    for (const [seed, { mutate }] of Object.values(MUTATIONS).entries()) {
      const story = validStory(seed + 1);
      mutate(story, new Prng(seed));
      const expected = checkHistory(story.events, story.logs);
      const text = written(story);
      expect(read(text)).toEqual(expected);
      expect(read(text, 1 + (seed % 7))).toEqual(expected);
    }
    const { events, logs } = validStory(1);
    expect(read(written({ events, logs }), 5)).toEqual(checkHistory(events, logs));
  });

  test('may hold fields that are not known', () => {
    const text = written(validStory(1)).replaceAll('{"type":"append-ok",', '{"atMs":17,"type":"append-ok",');
    expect(read(text)).toEqual(read(written(validStory(1))));
  });

  const lines = written(validStory(1)).trimEnd().split('\n');
  const changed = (line: number, change: (text: string) => string): string =>
    `${lines.map((text, at) => (at + 1 === line ? change(text) : text)).join('\n')}\n`;
  const first = lines.findIndex((line) => line.includes('append-invoked')) + 1;
  const firstOk = lines.findIndex((line) => line.includes('append-ok')) + 1;
  const firstPage = lines.findIndex((line) => line.includes('read-page')) + 1;
  const firstLog = lines.findIndex((line) => line.includes('"type":"log"')) + 1;

  test.each([
    ['nothing', '', 0, 'without an "end" line'],
    ['another kind of file', '{"type":"log"}\n', 1, 'begins with a line of type "history"'],
    ['another version', changed(1, (text) => text.replace('"version":1', '"version":2')), 1, 'version 2'],
    ['no JSON', changed(7, () => '{"type":'), 7, 'no JSON'],
    ['an empty line', changed(7, () => ''), 7, 'no JSON'],
    ['a list', changed(7, () => '[]'), 7, 'no JSON object'],
    ['an unknown type', changed(7, () => '{"type":"append-lost"}'), 7, '"append-lost" is not known'],
    [
      'a missing field',
      changed(first, (text) => text.replace('"producer"', '"product"')),
      first,
      '"producer" must be a text',
    ],
    [
      'a fraction',
      changed(firstOk, (text) => text.replace(/"index":\d+/, '"index":1.5')),
      firstOk,
      '"index" must be a whole number',
    ],
    [
      'a bad record',
      changed(firstPage, (text) => text.replace('"ordinal"', '"o"')),
      firstPage,
      '"ordinal" must be',
    ],
    [
      'an answer to nothing',
      changed(first, () => '{"type":"append-failed","operation":77}'),
      first,
      'which does not run',
    ],
    [
      'an event behind a log',
      changed(firstLog + 1, () => lines[first - 1] ?? ''),
      firstLog + 1,
      'the logs come last',
    ],
    ['a cut', `${lines.slice(0, -1).join('\n')}\n`, lines.length - 1, 'without an "end" line'],
    ['a cut in a line', lines.join('\n').slice(0, -4), lines.length, 'in the middle of this line'],
    ['a lost line', `${lines.filter((_, at) => at !== 1).join('\n')}\n`, lines.length - 1, 'the file holds'],
    ['more than the end', `${lines.join('\n')}\n{}\n`, lines.length + 1, 'more behind the "end"'],
  ])('is refused with the number of the line: %s', (_name, text, line, what) => {
    const error = errorOf(text);
    expect(error.line).toBe(line);
    expect(error.message).toContain(what);
    expect(error.message).toContain(`line ${line}: `);
  });
});
