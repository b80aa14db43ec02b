import type { Transferred } from '../../client/index.ts';
import { CliError } from '../cli-error.ts';
import { withClient } from '../cluster-client.ts';
import type { Call, Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';

export const clusterTransferLeader: Command = {
  path: 'cluster transfer-leader',
  describe: 'hand leadership to a node, or to the one that is furthest, and wait until it leads',
  isClient: true,
  positionals: [{ name: 'node', describe: 'id of the node; default: the best follower', isRequired: false }],
  flags: [],
  run: async (call) =>
    withClient(call, async (client) => {
      const target = call.positionals.get('node');
      if (target !== undefined) {
        const status = await client.status();
        const members = status.nodes.flatMap((node) => node.status?.groups[0]?.members ?? []);
        if (members.length > 0 && !members.some((member) => member.id === target)) {
          const known = [...new Set(members.map((member) => member.id))].sort().join(', ');
          throw new CliError('NOT_FOUND', ExitCode.notFound, `there is no node ${target}`, {
            next: `choose one of ${known}`,
          });
        }
        if (status.leaderId === target) {
          throw new CliError(
            'TRANSFER_REFUSED',
            ExitCode.notNow,
            `${target} leads already, in term ${status.term ?? '?'}`,
          );
        }
      }
      return transferred(call, await client.transferLeadership(target));
    }),
};

/** Says who hands over to whom. */
export async function transferred(call: Call, done: Transferred): Promise<number> {
  await writeAnswer(
    {
      kind: 'LeadershipTransferred',
      data: { from: done.from, to: done.to, term: done.term, tookMs: done.tookMs },
      table: () => [
        ['FROM', 'TO', 'TERM', 'TOOK'],
        [done.from, done.to, String(done.term), `${Math.round(done.tookMs)} ms`],
      ],
    },
    call.format,
    call.now(),
  );
  return ExitCode.ok;
}
