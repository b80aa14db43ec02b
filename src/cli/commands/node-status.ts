import type { NodeStatus } from '../../client/index.ts';
import { CliError } from '../cli-error.ts';
import { SURVEY_TIMEOUT, sourcesOf, survey, findNode } from '../cluster-client.ts';
import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { dateTimeOf } from '../log-line.ts';
import { writeAnswer } from '../output.ts';
import { snapshotText } from '../snapshot-text.ts';

export const nodeStatus: Command = {
  path: 'node status',
  describe: 'all that a node says of itself',
  isClient: true,
  positionals: [{ name: 'node', describe: 'id of the node', isRequired: true }],
  flags: [SURVEY_TIMEOUT],
  run: async (call) => {
    const id = call.positionals.get('node') ?? '';
    const cluster = await survey(call);
    const node = findNode(cluster, id);
    if (node.status === null) {
      throw new CliError('UNREACHABLE', ExitCode.unreachable, `${id} does not answer: ${node.error ?? '?'}`, {
        retryable: true,
      });
    }
    const { status } = node;
    await writeAnswer(
      { kind: 'NodeStatus', data: status, sources: sourcesOf(cluster), table: () => tableOf(status) },
      call.format,
      call.now(),
    );
    return ExitCode.ok;
  },
};

function tableOf(status: NodeStatus): string[][] {
  const group = status.groups[0];
  const election = group?.lastElection ?? null;
  const { syncMs, commitMs, loopDelayMs } = status.pace;
  const times = (of: typeof syncMs): string =>
    of === null ? '?' : `p50 ${of.p50.toFixed(2)}  p99 ${of.p99.toFixed(2)}  max ${of.max.toFixed(2)} ms`;
  const rows: [string, string][] = [
    ['node', `${status.nodeId} at ${status.address}, version ${status.version}, ${status.durability}`],
    ['since', dateTimeOf(status.startedAtMs)],
    ['role', `${group?.role ?? '?'} in term ${group?.term ?? '?'}, voted for ${group?.votedFor ?? 'nobody'}`],
    [
      'leader',
      election === null
        ? (group?.leaderId ?? 'none')
        : `${election.leaderId} since ${dateTimeOf(election.atMs)}: ${election.why}`,
    ],
    [
      'log',
      `${group?.firstIndex ?? '?'} to ${group?.lastIndex ?? '?'}, durable ${group?.durableIndex ?? '?'}; ${status.counters['walSegments'] ?? '?'} segments with ${status.counters['walSegmentBytes'] ?? '?'} bytes`,
    ],
    ['committed', `${group?.commitIndex ?? '?'}, applied ${group?.appliedIndex ?? '?'}`],
    ['counts', group?.eligible === false ? `no: ${group.ineligibleWhy ?? '?'}` : 'yes'],
    ['syncs', times(syncMs)],
    ['commits', times(commitMs)],
    ['loop', loopDelayMs === null ? '?' : `up to ${loopDelayMs.toFixed(1)} ms late`],
    ['disk', status.disk === null ? '?' : `${status.disk.freeBytes} of ${status.disk.totalBytes} bytes free`],
    ['faults', faultsOf(status)],
    ...status.snapshots.map((snapshot): [string, string] => [
      'snapshot',
      `${snapshotText(snapshot)} (at index ${snapshot.index}, ${snapshot.direction === 'in' ? 'from' : 'to'} ${snapshot.peer})`,
    ]),
    ...(group?.progress ?? []).map((follower): [string, string] => [
      `to ${follower.id}`,
      `${follower.state}, match ${follower.matchIndex}, in flight ${follower.inflightMessages}, round trip ${follower.roundTripMs?.toFixed(2) ?? '?'} ms`,
    ]),
  ];
  return rows;
}

function faultsOf({ allowsFaults, faults }: NodeStatus): string {
  if (!allowsFaults) return 'not allowed here';
  return faults.length === 0 ? 'none' : faults.map((fault) => `${fault.id} ${fault.spec.kind}`).join(', ');
}
