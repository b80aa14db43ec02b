import path from 'node:path';
import { text, type Command } from '../command.ts';
import { giveOrder } from '../control.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';

export const down: Command = {
  path: 'down',
  describe: 'stop the cluster that `up` runs, and wait until it is stopped',
  isClient: false,
  flags: [
    {
      name: 'data',
      type: 'string',
      describe: 'directory of the cluster; default: the one `up` last started from here',
    },
  ],
  run: async (call) => {
    const data = text(call, 'data');
    const { message } = await giveOrder({ do: 'down' }, data === null ? null : path.resolve(data));
    await writeAnswer({ kind: 'Down', data: { message }, table: () => [[message]] }, call.format, call.now());
    return ExitCode.ok;
  },
};
