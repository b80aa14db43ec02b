import { encodeBatch, type ProducerStamp } from '../../../src/base/batch.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry, type EntryDraft } from '../../../src/base/entry.ts';
import { FIRST_GROUP, NO_INDEX, indexPlus, term, type LogIndex, type Term } from '../../../src/base/units.ts';
import { COMMAND_VERSION, encodeOpenProducer } from '../../../src/broker/index.ts';

/** A log as a leader would write it: each call appends one entry. */
export class Log {
  readonly entries: Entry[] = [];
  term: Term = term(1);
  time = 1_700_000_000_000;

  get lastIndex(): LogIndex {
    return this.entries.at(-1)?.index ?? NO_INDEX;
  }

  batch(stamp: ProducerStamp, queue = 0): Entry {
    const body = encodeBatch(stamp, [Uint8Array.of(stamp.sequence % 256)]);
    return this.#append({
      kind: EntryKind.batch,
      version: 1,
      queue,
      recordCount: 1,
      body,
      bodyChecksum: crc32(body),
    });
  }

  openProducer(inFlightMax: number): Entry {
    return this.command(encodeOpenProducer({ inFlightMax }));
  }

  command(body: Uint8Array, version: number = COMMAND_VERSION): Entry {
    return this.raw(EntryKind.command, version, body);
  }

  noop(): Entry {
    return this.raw(EntryKind.noop, 1, new Uint8Array(0));
  }

  raw(kind: number, version: number, body: Uint8Array): Entry {
    return this.#append({
      kind: kind as EntryKind,
      version,
      queue: 0,
      recordCount: 0,
      body,
      bodyChecksum: crc32(body),
    });
  }

  #append(draft: EntryDraft): Entry {
    const [entry] = sealEntries([draft], {
      group: FIRST_GROUP,
      firstIndex: indexPlus(this.lastIndex, 1),
      term: this.term,
      time: this.time,
      previousChecksum: this.entries.at(-1)?.checksum ?? 0,
    });
    if (entry === undefined) throw new Error('nothing was sealed');
    this.entries.push(entry);
    return entry;
  }
}

export function stamp(producerId: number, sequence: number, epoch = 1): ProducerStamp {
  return { producerId, epoch, sequence };
}
