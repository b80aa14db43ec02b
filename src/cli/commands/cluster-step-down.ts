import { CliError } from '../cli-error.ts';
import { withClient } from '../cluster-client.ts';
import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { transferred } from './cluster-transfer-leader.ts';

export const clusterStepDown: Command = {
  path: 'cluster step-down',
  describe: 'make the leader hand over to the follower that is furthest, and wait until that leads',
  isClient: true,
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      const status = await client.status();
      if (status.nodes.length === 1) {
        throw new CliError(
          'TRANSFER_REFUSED',
          ExitCode.notNow,
          'a cluster of one node has nobody to hand over to',
        );
      }
      return transferred(call, await client.transferLeadership());
    }),
};
