import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { EventJournal } from '../../src/node/event-journal.ts';
import { CrashableDisk } from '../../src/sim/crashable-disk.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

const DATA = '/data/n1';

function setUp(): { disk: CrashableDisk; clock: VirtualClock; open: () => EventJournal } {
  const clock = new VirtualClock();
  const disk = new CrashableDisk({ clock, prng: new Prng(1) });
  disk.mkdirSync(DATA);
  return { disk, clock, open: () => new EventJournal(disk, clock, DATA) };
}

function event(text: string): Parameters<EventJournal['add']>[0] {
  return { at: 1, level: 'info', code: 'test', text, fields: { one: 1 } };
}

describe('the journal of events', () => {
  test('gives each event a higher number, and those behind a number back', () => {
    const { open } = setUp();
    const journal = open();
    const sequences = ['a', 'b', 'c'].map((text) => journal.add(event(text)).sequence);
    expect(sequences).toEqual([1, 2, 3]);
    expect(journal.since(1, 10).map(({ text }) => text)).toEqual(['b', 'c']);
    expect(journal.since(0, 2).map(({ text }) => text)).toEqual(['b', 'c']);
    expect(journal.since(3, 10)).toEqual([]);
  });

  test('is there after a restart, and gives no number twice', () => {
    const { open, clock } = setUp();
    const before = open();
    before.add(event('a'));
    clock.advanceBy(1);
    before.close();
    const after = open();
    expect(after.since(0, 10)).toEqual([{ sequence: 1, ...event('a') }]);
    expect(after.add(event('b')).sequence).toBeGreaterThan(1);
  });

  test('gives no number twice either where the power took the last events', () => {
    const { open, clock, disk } = setUp();
    const before = open();
    for (let at = 0; at < 100; at += 1) before.add(event(`e${at}`));
    clock.advanceBy(1);
    const told = before.lastSequence;
    disk.powerCut();
    disk.mkdirSync(DATA);
    const after = open();
    const kept = after.since(0, 1000);
    // Whatever of it the power left is in order, and whole.
    expect(kept.map(({ text }) => text)).toEqual(kept.map(({ sequence }) => `e${sequence - 1}`));
    if (kept.length > 0) expect(after.add(event('new')).sequence).toBeGreaterThan(told);
  });

  test('is bounded on disk and in memory, whatever happens', () => {
    const { open, clock, disk } = setUp();
    const journal = open();
    for (let at = 0; at < 30_000; at += 1) {
      journal.add(event(`a line of some length, number ${at}`));
      if (at % 100 === 0) clock.advanceBy(1);
    }
    journal.close();
    const bytes = disk
      .listSync(`${DATA}/events`)
      .reduce((sum, name) => sum + disk.openSync(`${DATA}/events/${name}`, 'read').size(), 0);
    expect(bytes).toBeLessThan(1.2 * 1024 * 1024);
    expect(journal.since(0, 100_000).length).toBeLessThanOrEqual(8192);
    const again = open().since(0, 100_000);
    expect(again.at(-1)?.text).toBe('a line of some length, number 29999');
  });

  test('leaves out lines that are damaged', () => {
    const { open, clock, disk } = setUp();
    const journal = open();
    for (const text of ['a', 'b', 'c']) {
      journal.add(event(text));
      clock.advanceBy(1);
    }
    journal.close();
    const file = disk.openSync(`${DATA}/events/newer.ndjson`, 'write');
    const bytes = new Uint8Array(file.size());
    file.readSync(bytes, 0);
    const middle = new TextDecoder().decode(bytes).indexOf('"b"');
    file.writevSync([new Uint8Array([0xff, 0x00, 0x0a])], middle);
    file.closeSync();
    expect(
      open()
        .since(0, 10)
        .map(({ text }) => text),
    ).toEqual(['a', 'c']);
  });

  test('a disk that refuses it costs the journal and nothing else', () => {
    const { open, clock, disk } = setUp();
    const journal = open();
    disk.failWrite(() => true, 'ENOSPC', 0);
    journal.add(event('a'));
    clock.advanceBy(1);
    journal.add(event('b'));
    clock.advanceBy(1);
    expect(journal.since(0, 10).map(({ text }) => text)).toEqual(['a', 'b']);
  });
});
