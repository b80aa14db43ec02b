import path from 'node:path';
import { FileDisk } from '../../platform/file-disk.ts';
import { dumpLog, type DumpItem } from '../../wal/index.ts';
import { positive, type Command } from '../command.ts';
import { entryKindName } from '../entry-kind-name.ts';
import { ExitCode } from '../exit-code.ts';
import { ItemWriter, type ItemForms } from '../item-writer.ts';
import { dateTimeOf } from '../log-line.ts';
import { offline } from '../offline.ts';
import { printable } from '../printable.ts';

export const logDump: Command = {
  path: 'log dump',
  describe: 'print what stands where in the files of a log, in the order it was written; never writes',
  isClient: false,
  positionals: [{ name: 'dir', describe: 'data directory of a node', isRequired: true }],
  flags: [
    { name: 'from', type: 'number', describe: 'first index of entries to print', default: 1 },
    { name: 'count', type: 'number', describe: 'entries at most; default: all' },
  ],
  examples: [['$0 log dump ./n1 --from 1000 --count 10', 'ten entries, and the blocks that hold them']],
  run: async (call) => {
    const directory = path.resolve(call.positionals.get('dir') ?? '.');
    const from = positive(call, 'from') ?? 1;
    let left = positive(call, 'count') ?? Number.POSITIVE_INFINITY;
    const writer = new ItemWriter(call.format, FORMS, call.now());
    const items = offline(directory, () => dumpLog(new FileDisk(), directory))[Symbol.iterator]();
    let isRotten = false;
    for (;;) {
      const next = offline(directory, () => items.next());
      if (next.done === true) break;
      const item = next.value;
      if (lastIndexOf(item) < from) continue;
      isRotten ||= item.type === 'rot';
      if (!writer.add(item)) await writer.flush();
      if (item.type === 'entry') left -= 1;
      if (left === 0) break;
    }
    await writer.end();
    return isRotten ? ExitCode.internal : ExitCode.ok;
  },
};

/** What stands around entries belongs to every selection. */
function lastIndexOf(item: DumpItem): number {
  if (item.type === 'entry') return item.index;
  return item.type === 'block' ? item.firstIndex + item.entries - 1 : Number.POSITIVE_INFINITY;
}

const FORMS: ItemForms<DumpItem> = {
  kind: 'LogDump',
  plural: 'items',
  head: null,
  object: (item) => item,
  line: describe,
};

function describe(item: DumpItem): string {
  switch (item.type) {
    case 'segment':
      return `segment ${printable(item.file)}: sequence ${item.sequence}, first index ${item.firstIndex}, epoch ${item.epoch}, ${item.bytes} bytes`;
    case 'block':
      return `  block at ${item.position}: sequence ${item.sequence}, ${item.entries} entries from ${item.firstIndex}, ${item.bytes} bytes${item.truncates ? ', truncates' : ''}`;
    case 'entry': {
      const kind = entryKindName(item.kind);
      return `    entry ${item.index}: term ${item.term}, ${kind}, ${item.records} records, ${item.bytes} bytes, ${dateTimeOf(item.time)}, checksum ${item.checksum.toString(16).padStart(8, '0')}`;
    }
    case 'sealed':
      return `  sealed at ${item.position}${item.footerVerifies ? '' : ': its index does not verify'}`;
    case 'end':
      return `  end at ${item.position}${item.tornBytes > 0 ? `, ${item.tornBytes} bytes torn` : ''}`;
    case 'rot':
      return `DAMAGED at ${printable(item.file)} byte ${item.position}: ${printable(item.what)}`;
  }
}
