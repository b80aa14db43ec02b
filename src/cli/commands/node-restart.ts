import path from 'node:path';
import { CliError } from '../cli-error.ts';
import { text, type Command } from '../command.ts';
import { giveOrder } from '../control.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';

export const nodeRestart: Command = {
  path: 'node restart',
  describe: 'stop a node of the cluster that `up` runs, if it runs, and start it again',
  isClient: false,
  positionals: [{ name: 'node', describe: 'id of the node', isRequired: true }],
  flags: [
    {
      name: 'data',
      type: 'string',
      describe: 'directory of the cluster; default: the one `up` last started from here',
    },
  ],
  run: async (call) => {
    const data = text(call, 'data');
    const node = call.positionals.get('node') ?? '';
    const result = await giveOrder({ do: 'restart', node }, data === null ? null : path.resolve(data));
    if (!result.ok) throw new CliError('NOT_FOUND', ExitCode.notFound, result.message);
    await writeAnswer(
      { kind: 'NodeRestarted', data: { node, message: result.message }, table: () => [[result.message]] },
      call.format,
      call.now(),
    );
    return ExitCode.ok;
  },
};
