import type { ClusterStatus } from '../../client/index.ts';
import { SURVEY_TIMEOUT, noneAnswers, sourcesOf, survey } from '../cluster-client.ts';
import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';

interface MemberRow {
  readonly id: string;
  readonly role: 'voter' | 'learner';
  readonly address: string;
  readonly incarnation: number | null;
  /** Whether its disk counts towards a majority, by its own word; null where it does not answer. */
  readonly counts: boolean | null;
  readonly version: string | null;
}

export const clusterMembers: Command = {
  path: 'cluster members',
  describe: 'who belongs to the cluster, by the log: voters and learners, and whose disks count',
  isClient: true,
  flags: [SURVEY_TIMEOUT],
  run: async (call) => {
    const status = await survey(call);
    const silence = noneAnswers(status);
    if (silence !== null) throw silence;
    const members = membersOf(status);
    const shown = (value: string | number | boolean | null): string => (value === null ? '?' : String(value));
    await writeAnswer(
      {
        kind: 'ClusterMembers',
        data: { clusterId: status.clusterId, members },
        sources: sourcesOf(status),
        table: (wide) => [
          ['NODE', 'ROLE', 'ADDRESS', 'COUNTS', 'VERSION', ...(wide ? ['INCARNATION'] : [])],
          ...members.map((member) => [
            member.id,
            member.role,
            member.address,
            shown(member.counts),
            shown(member.version),
            ...(wide ? [shown(member.incarnation)] : []),
          ]),
        ],
      },
      call.format,
      call.now(),
    );
    return members.every((member) => member.counts !== null) ? ExitCode.ok : ExitCode.partial;
  },
};

/** As the furthest node has them. */
function membersOf(status: ClusterStatus): MemberRow[] {
  const groups = status.nodes.flatMap((node) => node.status?.groups[0] ?? []);
  const furthest = groups.toSorted((one, other) => other.appliedIndex - one.appliedIndex)[0];
  return (furthest?.members ?? []).map((member): MemberRow => {
    const answer = status.nodes.find((node) => node.nodeId === member.id)?.status ?? null;
    return {
      id: member.id,
      role: member.role,
      address: member.address,
      incarnation: member.incarnation,
      counts: answer?.groups[0]?.eligible ?? null,
      version: answer?.version ?? null,
    };
  });
}
