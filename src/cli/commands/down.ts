import path from 'node:path';
import { text, type Command } from '../command.ts';
import { giveOrder } from '../control.ts';
import { ExitCode } from '../exit-code.ts';
import { say } from '../output.ts';

export const down: Command = {
  path: 'down',
  describe: 'stop the cluster that `up` runs',
  isClient: false,
  flags: [
    {
      name: 'data',
      type: 'string',
      describe: 'directory of the cluster (default: the one `up` last started from here)',
    },
  ],
  run: async (call) => {
    const data = text(call, 'data');
    const result = await giveOrder({ do: 'down' }, data === null ? null : path.resolve(data));
    say(result.message);
    return result.ok ? ExitCode.ok : ExitCode.notNow;
  },
};
