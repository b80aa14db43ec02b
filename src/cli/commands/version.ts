import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';
import { VERSION } from '../version.ts';

export const version: Command = {
  path: 'version',
  describe: 'print the version',
  isClient: false,
  flags: [],
  run: async (call) => {
    await writeAnswer(
      {
        kind: 'Version',
        data: { dledger: VERSION, node: process.versions.node },
        table: () => [[`dledger ${VERSION} (node ${process.versions.node})`]],
      },
      call.format,
      call.now(),
    );
    return ExitCode.ok;
  },
};
