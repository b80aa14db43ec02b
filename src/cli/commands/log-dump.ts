import path from 'node:path';
import { EntryKind } from '../../base/entry.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { dumpLog, type DumpItem } from '../../wal/index.ts';
import { number, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { offline } from '../offline.ts';
import { writeOut } from '../output.ts';
import { printable } from '../printable.ts';

const WRITE_LINES = 1000;

export const logDump: Command = {
  path: 'log dump',
  describe: 'print what stands where in the files of a log, in the order it was written; never writes',
  isClient: false,
  positionals: [{ name: 'dir', describe: 'data directory of a node', isRequired: true }],
  flags: [
    { name: 'from', type: 'number', describe: 'first index of entries to print', default: 1 },
    { name: 'count', type: 'number', describe: 'entries at most' },
  ],
  run: async (call) => {
    const directory = path.resolve(call.positionals.get('dir') ?? '.');
    const from = number(call, 'from') ?? 1;
    let left = number(call, 'count') ?? Number.POSITIVE_INFINITY;
    const isJson = call.format === 'json' || call.format === 'ndjson';
    let isRotten = false;
    let lines: string[] = [];
    const items = offline(() => dumpLog(new FileDisk(), directory))[Symbol.iterator]();
    for (;;) {
      const next = offline(() => items.next());
      if (next.done === true || left <= 0) break;
      const item = next.value;
      if (item.type === 'rot') isRotten = true;
      if (item.type === 'entry' || item.type === 'block') {
        const last = item.type === 'entry' ? item.index : item.firstIndex + item.entries - 1;
        if (last < from) continue;
        if (item.type === 'entry') left -= 1;
      }
      lines.push(isJson ? JSON.stringify(item) : describe(item));
      if (lines.length < WRITE_LINES) continue;
      await writeOut(`${lines.join('\n')}\n`);
      lines = [];
    }
    if (lines.length > 0) await writeOut(`${lines.join('\n')}\n`);
    return isRotten ? ExitCode.internal : ExitCode.ok;
  },
};

const KIND_NAMES = new Map<number, string>(Object.entries(EntryKind).map(([name, kind]) => [kind, name]));

function describe(item: DumpItem): string {
  switch (item.type) {
    case 'segment':
      return `segment ${printable(item.file)}: sequence ${item.sequence}, first index ${item.firstIndex}, epoch ${item.epoch}, ${item.bytes} bytes`;
    case 'block':
      return `  block at ${item.position}: sequence ${item.sequence}, ${item.entries} entries from ${item.firstIndex}, ${item.bytes} bytes${item.truncates ? ', truncates' : ''}`;
    case 'entry': {
      const kind = KIND_NAMES.get(item.kind) ?? `kind ${item.kind}`;
      return `    entry ${item.index}: term ${item.term}, ${kind}, ${item.records} records, ${item.bytes} bytes, ${new Date(item.time).toISOString()}, checksum ${item.checksum.toString(16).padStart(8, '0')}`;
    }
    case 'sealed':
      return `  sealed at ${item.position}${item.footerVerifies ? '' : ': its index does not verify'}`;
    case 'end':
      return `  end at ${item.position}${item.tornBytes > 0 ? `, ${item.tornBytes} bytes torn` : ''}`;
    case 'rot':
      return `DAMAGED at ${printable(item.file)} byte ${item.position}: ${printable(item.what)}`;
  }
}
