import path from 'node:path';
import { FileDisk } from '../../platform/file-disk.ts';
import { verifyLog, type LogReport } from '../../wal/index.ts';
import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { offline } from '../offline.ts';
import { writeAnswer } from '../output.ts';

export const logVerify: Command = {
  path: 'log verify',
  describe: 'read a whole log and verify everything in it; never writes',
  isClient: false,
  positionals: [{ name: 'dir', describe: 'data directory of a node', isRequired: true }],
  flags: [],
  run: async (call) => {
    const directory = path.resolve(call.positionals.get('dir') ?? '.');
    const report = offline(directory, () => verifyLog(new FileDisk(), directory));
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

function headline({ firstBad, firstIndex, lastIndex, segments }: LogReport): string {
  if (firstBad !== null) {
    return `DAMAGED: ${firstBad.what}, in ${firstBad.file} at byte ${firstBad.position}; good up to index ${lastIndex}`;
  }
  if (lastIndex < firstIndex) return 'good, and without an entry';
  return `good: entries ${firstIndex} to ${lastIndex} in ${segments} ${segments === 1 ? 'segment' : 'segments'}`;
}
