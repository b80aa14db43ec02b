import fs from 'node:fs';
import path from 'node:path';
import { batchStamp, decodeBatch } from '../../base/batch.ts';
import { EntryKind, entryBody, entryQueue, entryTime, entryVersion, type Entry } from '../../base/entry.ts';
import { decodeMessage, MessageFormatError, type Message } from '../../base/message.ts';
import type { LogIndex } from '../../base/units.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { OfflineLog } from '../../wal/index.ts';
import { CliError, usageError } from '../cli-error.ts';
import { flag, positive, text, type Call, type Command } from '../command.ts';
import { entryKindName } from '../entry-kind-name.ts';
import { ExitCode } from '../exit-code.ts';
import { ItemWriter, type ItemForms } from '../item-writer.ts';
import { timeOf } from '../log-line.ts';
import { offline } from '../offline.ts';
import { say, writeOut } from '../output.ts';
import { PAYLOAD_OUTPUT, asText, payloadFormatOf, rawBytes, rawLine, shownText } from '../payload.ts';
import { printable } from '../printable.ts';
import { isWithin } from '../within.ts';

const INDEX_WIDTH = 10;
const TERM_WIDTH = 4;

export const logExport: Command = {
  path: 'log export',
  describe:
    'write the records of a log without a node, in order, as far as everything verifies; never writes in DIR',
  isClient: false,
  positionals: [{ name: 'dir', describe: 'data directory of a node', isRequired: true }],
  flags: [
    { name: 'from', type: 'number', describe: 'first index; default: the first one there is' },
    { name: 'to', type: 'number', describe: 'last index; default: the last one there is' },
    {
      name: 'entries',
      type: 'boolean',
      describe: 'every entry of the log with its body, also those that hold no records',
      default: false,
    },
    { name: 'file', type: 'string', describe: 'new file to write to; default: stdout' },
    PAYLOAD_OUTPUT,
  ],
  examples: [
    ['$0 log export ./n1 -o ndjson --file n1.ndjson', 'all records, one JSON object for each'],
    ['$0 log export ./n1 --from 1000 --to 1999 --entries -o ndjson', 'a thousand entries of any kind'],
  ],
  run: async (call) => {
    const directory = path.resolve(call.positionals.get('dir') ?? '.');
    const log = offline(directory, () => new OfflineLog(new FileDisk(), directory));
    try {
      const range = rangeOf(call, log);
      await exportRange(call, log, range, targetOf(call, directory));
      return warn(log, range) ? ExitCode.internal : ExitCode.ok;
    } finally {
      log.close();
    }
  },
};

interface Range {
  readonly first: LogIndex;
  /** As asked for; null = as far as there is anything. */
  readonly to: number | null;
  /** As far as it can be had. */
  readonly last: LogIndex;
}

/** @throws CliError where the log does not hold what is asked for: nothing is left out without a word. */
function rangeOf(call: Call, log: OfflineLog): Range {
  const from = positive(call, 'from');
  const to = positive(call, 'to');
  if (to !== null && to < (from ?? 1)) throw usageError(`--to ${to} is before --from ${from ?? 1}`);
  const isDamaged = log.damage !== null;
  const outOfRange =
    (from !== null && from < log.firstIndex) || (!isDamaged && Math.max(from ?? 0, to ?? 0) > log.lastIndex);
  if (outOfRange) {
    throw new CliError(
      'OUT_OF_RANGE',
      ExitCode.notFound,
      log.lastIndex < log.firstIndex
        ? `the log is empty; its next index is ${log.firstIndex}`
        : `the log holds ${log.firstIndex} to ${log.lastIndex}`,
      { next: 'leave --from and --to out for all of it' },
    );
  }
  return {
    first: (from ?? log.firstIndex) as LogIndex,
    to,
    last: Math.min(to ?? log.lastIndex, log.lastIndex) as LogIndex,
  };
}

/** Says what is not as it may seem. @returns whether something that was asked for is missing. */
function warn(log: OfflineLog, { first, to, last }: Range): boolean {
  const { damage, commitHint } = log;
  if (last > commitHint && last >= first) {
    const from = Math.max(first, commitHint + 1);
    say(`warning: entries ${from} to ${last} are not known to be committed: a cluster may have others there`);
  }
  if (damage === null || (to !== null && last === to)) return false;
  const place = `${printable(damage.file)}, byte ${damage.position}`;
  say(
    `error[LOG_DAMAGED]: the log is good up to ${log.lastIndex}, then: ${printable(damage.what)} (${place})`,
  );
  say('  next:  export the rest from another node');
  return true;
}

/** One line of the export. */
type Item =
  | { readonly type: 'record'; readonly entry: Entry; readonly ordinal: number; readonly payload: Uint8Array }
  | { readonly type: 'entry'; readonly entry: Entry };

function* itemsOf(entry: Entry, wholeEntries: boolean): Generator<Item, void> {
  if (wholeEntries) yield { type: 'entry', entry };
  else if (entry.kind === EntryKind.batch) {
    for (const [ordinal, payload] of decodeBatch(entryBody(entry)).entries())
      yield { type: 'record', entry, ordinal, payload };
  }
}

async function exportRange(call: Call, log: OfflineLog, range: Range, target: Target): Promise<void> {
  const forms = formsOf(target.isTerminal);
  const writer = new ItemWriter(payloadFormatOf(call), forms, call.now(), async (bytes) =>
    target.write(bytes),
  );
  const wholeEntries = flag(call, 'entries');
  try {
    for (const entry of log.entries(range.first, range.last)) {
      let hasRoom = true;
      for (const item of itemsOf(entry, wholeEntries)) hasRoom = writer.add(item);
      if (!hasRoom) await writer.flush();
    }
  } finally {
    // Also where it ends badly: what was read is written, and what is written is whole.
    await writer.end();
    target.end();
  }
}

interface Target {
  readonly isTerminal: boolean;
  write(bytes: Uint8Array): Promise<void>;
  /** Made durable: an export may be all that is left. */
  end(): void;
}

function targetOf(call: Call, directory: string): Target {
  const name = text(call, 'file');
  if (name === null) return { isTerminal: process.stdout.isTTY, write: writeOut, end: () => undefined };
  const file = path.resolve(name);
  if (isWithin(file, directory))
    throw usageError(
      `--file ${file} is in the data directory`,
      'nothing but the node writes there: choose another place',
    );
  let descriptor: number;
  try {
    descriptor = fs.openSync(file, 'wx', 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      throw new CliError('ALREADY_EXISTS', ExitCode.notFound, `${file} exists`, {
        next: 'name a new file: nothing is written over',
      });
    }
    throw usageError(`cannot make ${file}: ${message}`);
  }
  return {
    isTerminal: false,
    write: async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(descriptor, bytes, at);
      return Promise.resolve();
    },
    end: () => {
      fs.fsyncSync(descriptor);
      fs.closeSync(descriptor);
    },
  };
}

/** Records of the raw log are plain bytes; those of queues are messages, or were refused when they were applied. */
function messageOf(entry: Entry, payload: Uint8Array): Message | null {
  if (entryQueue(entry) === 0) return null;
  try {
    return decodeMessage(payload);
  } catch (error) {
    if (!(error instanceof MessageFormatError)) throw error;
    return null;
  }
}

/** A retry that was stored twice is one record to readers: by this it is recognised. */
function producerOf(entry: Entry): object {
  const { producerId, epoch, sequence } = batchStamp(entryBody(entry));
  return producerId === 0 ? {} : { producer: { id: producerId, epoch, sequence } };
}

function objectOfRecord({ entry, ordinal, payload }: Item & { type: 'record' }): object {
  const message = messageOf(entry, payload);
  const { data, encoding } = asText(message?.body ?? payload);
  return {
    index: entry.index,
    ordinal,
    term: entry.term,
    time: entryTime(entry),
    ...(entryQueue(entry) === 0 ? {} : { queue: entryQueue(entry) }),
    ...producerOf(entry),
    ...(message === null
      ? {}
      : {
          key: message.key,
          tag: message.tag,
          orderingGroup: message.orderingGroup,
          headers: message.headers.map(({ name, value }) => ({ name, ...asText(value) })),
          bornTimeMs: message.bornTimeMs,
        }),
    data,
    ...(encoding === null ? {} : { encoding }),
  };
}

function objectOfEntry(entry: Entry): object {
  return {
    index: entry.index,
    term: entry.term,
    time: entryTime(entry),
    kind: entryKindName(entry.kind),
    version: entryVersion(entry),
    queue: entryQueue(entry),
    checksum: entry.checksum,
    body: Buffer.from(entryBody(entry)).toString('base64'),
  };
}

function formsOf(isTerminal: boolean): ItemForms<Item> {
  return {
    kind: 'LogExport',
    plural: 'items',
    head: `${'INDEX'.padStart(INDEX_WIDTH)}  ${'TERM'.padStart(TERM_WIDTH)}  TIME          DATA`,
    object: (item) => (item.type === 'record' ? objectOfRecord(item) : objectOfEntry(item.entry)),
    line: (item) => {
      const { index, term } = item.entry;
      const place = item.type === 'record' && item.ordinal > 0 ? `${index}.${item.ordinal}` : String(index);
      const shown =
        item.type === 'entry'
          ? `${entryKindName(item.entry.kind)}, ${entryBody(item.entry).length} bytes`
          : shownText(messageOf(item.entry, item.payload)?.body ?? item.payload);
      return `${place.padStart(INDEX_WIDTH)}  ${String(term).padStart(TERM_WIDTH)}  ${timeOf(entryTime(item.entry))}  ${shown}`;
    },
    raw: (item) => {
      if (item.type === 'entry') throw usageError('--entries has no raw form', 'use -o ndjson');
      const { entry, ordinal, payload } = item;
      const line = isTerminal ? rawLine : rawBytes;
      return line(messageOf(entry, payload)?.body ?? payload, `record ${entry.index}.${ordinal}`);
    },
  };
}
