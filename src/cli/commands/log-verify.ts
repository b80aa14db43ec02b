import path from 'node:path';
import { verifyQueues } from '../../node/index.ts';
import { FileDisk } from '../../platform/file-disk.ts';
import { verifyLog, type LogReport } from '../../wal/index.ts';
import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { offline } from '../offline.ts';
import { writeAnswer } from '../output.ts';

export const logVerify: Command = {
  path: 'log verify',
  describe: 'read a whole log and verify everything in it, its checkpoints and its queues; never writes',
  isClient: false,
  positionals: [{ name: 'dir', describe: 'data directory of a node', isRequired: true }],
  flags: [],
  run: async (call) => {
    const directory = path.resolve(call.positionals.get('dir') ?? '.');
    const disk = new FileDisk();
    const report = offline(directory, () => {
      const log = verifyLog(disk, directory);
      return {
        ...log,
        repairable: [...log.repairable, ...queueDamage(disk, path.join(directory, 'queues'))],
      };
    });
    await writeAnswer(
      {
        kind: 'LogReport',
        data: report,
        warnings: [
          ...report.repairable,
          ...(report.hardStateTrusted
            ? []
            : ['the record of votes is lost or behind the log: this node will not vote']),
        ],
        headline: [headline(report), ''],
        table: () => [
          ['OK', 'FIRST', 'LAST', 'TERM', 'SEGMENTS', 'BLOCKS', 'BYTES', 'TORN', 'PROVEN'],
          [
            report.ok ? 'yes' : 'NO',
            String(report.firstIndex),
            String(report.lastIndex),
            String(report.lastTerm),
            String(report.segments),
            String(report.blocks),
            String(report.bytes),
            String(report.tornBytes),
            String(report.watermarkIndex ?? '?'),
          ],
        ],
      },
      call.format,
      call.now(),
    );
    return report.ok ? ExitCode.ok : ExitCode.internal;
  },
};

/** A line a file: whatever is wrong there is made again from the log. */
function queueDamage(disk: FileDisk, directory: string): string[] {
  const files = new Map<string, { first: number; count: number }>();
  for (const { file, position } of verifyQueues(disk, directory)) {
    const known = files.get(file);
    if (known === undefined) files.set(file, { first: position, count: 1 });
    else known.count += 1;
  }
  return [...files].map(
    ([file, { first, count }]) =>
      `queues/${file} does not verify in ${count} ${count === 1 ? 'place' : 'places'}, first at byte ${first}`,
  );
}

function headline({ firstBad, firstIndex, lastIndex, segments }: LogReport): string {
  if (firstBad !== null) {
    return `DAMAGED: ${firstBad.what}, in ${firstBad.file} at byte ${firstBad.position}; good up to index ${lastIndex}`;
  }
  if (lastIndex < firstIndex) return 'good, and without an entry';
  return `good: entries ${firstIndex} to ${lastIndex} in ${segments} ${segments === 1 ? 'segment' : 'segments'}`;
}
