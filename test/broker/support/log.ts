import { encodeBatch, type ProducerStamp } from '../../../src/base/batch.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { EntryKind, sealEntries, type Entry, type EntryDraft } from '../../../src/base/entry.ts';
import { encodeMessage } from '../../../src/base/message.ts';
import { FIRST_GROUP, NO_INDEX, indexPlus, term, type LogIndex, type Term } from '../../../src/base/units.ts';
import {
  COMMAND_VERSION,
  encodeCommand,
  encodeOpenProducer,
  type Command,
} from '../../../src/broker/index.ts';

/** A log as a leader would write it: each call appends one entry. */
export class Log {
  readonly entries: Entry[] = [];
  term: Term = term(1);
  time = 1_700_000_000_000;

  get lastIndex(): LogIndex {
    return this.entries.at(-1)?.index ?? NO_INDEX;
  }

  /** Plain bytes in the raw log, messages in a queue. */
  batch(stamp: ProducerStamp, queue = 0, recordCount = 1): Entry {
    const payload = Uint8Array.of(stamp.sequence % 256);
    const record =
      queue === 0
        ? payload
        : encodeMessage({
            bornTimeMs: this.time,
            key: 'k',
            tag: null,
            orderingGroup: null,
            headers: [],
            body: payload,
          });
    return this.records(
      stamp,
      queue,
      Array.from({ length: recordCount }, () => record),
    );
  }

  records(stamp: ProducerStamp, queue: number, records: readonly Uint8Array[]): Entry {
    const body = encodeBatch(stamp, records);
    return this.#append({
      kind: EntryKind.batch,
      version: 1,
      queue,
      recordCount: records.length,
      body,
      bodyChecksum: crc32(body),
    });
  }

  openProducer(inFlightMax: number): Entry {
    return this.command(encodeOpenProducer({ inFlightMax }));
  }

  order(command: Command): Entry {
    return this.command(encodeCommand(command));
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

export function topic(name: string, queues: number): Command {
  return { type: 'create-topic', name, queues, retentionMs: null, retentionBytes: null };
}

export function join(group: string, instance: string, ...topics: readonly string[]): Command {
  return { type: 'join-group', group, instance, clientName: 'test', topics, sessionTimeoutMs: 10_000 };
}

export function commit(
  group: string,
  memberId: number,
  sequence: number,
  positions: Readonly<Record<number, number>>,
  release: readonly number[] = [],
): Command {
  const list = Object.entries(positions).map(([queue, offset]) => ({ queue: Number(queue), offset }));
  return { type: 'commit-positions', group, memberId, sequence, positions: list, release };
}

export function stamp(producerId: number, sequence: number, epoch = 1): ProducerStamp {
  return { producerId, epoch, sequence };
}
