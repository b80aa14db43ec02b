import type { ClusterStatus } from '../../client/index.ts';
import { SURVEY_TIMEOUT, noneAnswers, sourcesOf, survey } from '../cluster-client.ts';
import type { Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';
import { snapshotOf, snapshotText } from '../snapshot-text.ts';

/** One row of `cluster status`: a node as it describes itself, or null where it did not answer. */
interface NodeRow {
  readonly id: string | null;
  readonly address: string;
  readonly reachable: boolean;
  readonly role: string | null;
  readonly term: number | null;
  readonly votedFor: string | null;
  readonly firstIndex: number | null;
  readonly lastIndex: number | null;
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
  /** Of the segments on its disk. */
  readonly logBytes: number | null;
  readonly durability: string | null;
}

export const clusterStatus: Command = {
  path: 'cluster status',
  describe: 'who leads, since which term, and how far everybody is; works without a leader',
  isClient: true,
  flags: [SURVEY_TIMEOUT],
  run: async (call) => {
    const status = await survey(call);
    const rows = rowsOf(status);
    const silence = noneAnswers(status);
    if (silence !== null) throw silence;
    await writeAnswer(
      {
        kind: 'ClusterStatus',
        data: { clusterId: status.clusterId, leaderId: status.leaderId, term: status.term, nodes: rows },
        sources: sourcesOf(status),
        warnings: warningsOf(status, rows),
        headline: headline(status, rows),
        table: (wide) => tableOf(rows, wide),
      },
      call.format,
      call.now(),
    );
    if (status.leaderId === null) return ExitCode.notNow;
    return rows.every((row) => row.reachable) ? ExitCode.ok : ExitCode.partial;
  },
};

function rowsOf(status: ClusterStatus): NodeRow[] {
  return status.nodes.map((node): NodeRow => {
    const group = node.status?.groups[0];
    return {
      id: node.nodeId,
      address: node.address,
      reachable: node.status !== null,
      role: group?.role ?? null,
      term: group?.term ?? null,
      votedFor: group?.votedFor ?? null,
      firstIndex: group?.firstIndex ?? null,
      lastIndex: group?.lastIndex ?? null,
      commitIndex: group?.commitIndex ?? null,
      appliedIndex: group?.appliedIndex ?? null,
      logBytes: node.status?.counters['walSegmentBytes'] ?? null,
      durability: node.status?.durability ?? null,
    };
  });
}

function headline(status: ClusterStatus, rows: readonly NodeRow[]): string[] {
  const up = rows.filter((row) => row.reachable).length;
  const needed = Math.floor(rows.length / 2) + 1;
  const cluster = `cluster ${status.clusterId ?? 'not founded yet'}`;
  const nodes = `${up} of ${rows.length} nodes up`;
  if (status.leaderId === null) return [`${cluster}: NO LEADER; ${nodes}, ${needed} needed`, ''];
  const spare = up - needed;
  const safety = spare < 0 ? 'no majority' : `tolerates ${spare} ${spare === 1 ? 'failure' : 'failures'}`;
  return [
    `${cluster}: ${status.leaderId} leads term ${status.term ?? '?'}${elected(status)}; ${nodes}, ${safety}`,
    '',
  ];
}

function elected(status: ClusterStatus): string {
  const leader = status.nodes.find((node) => node.status?.nodeId === status.leaderId);
  const election = leader?.status?.groups[0]?.lastElection;
  return election === null || election === undefined ? '' : ` (${election.why})`;
}

function warningsOf(status: ClusterStatus, rows: readonly NodeRow[]): string[] {
  const warnings = rows
    .filter((row) => row.durability === 'unsafe-no-sync')
    .map((row) => `${row.id ?? row.address} acknowledges without syncing: a power cut may lose records`);
  for (const { status: node } of status.nodes) {
    const group = node?.groups[0];
    if (node !== null && group !== undefined && !group.eligible)
      warnings.push(`${node.nodeId} neither votes nor leads: ${group.ineligibleWhy ?? '?'}`);
    const snapshot = node === null ? null : snapshotOf(node);
    if (node !== null && snapshot !== null)
      warnings.push(
        `${node.nodeId} is ${snapshotText(snapshot)}: the others keep nothing before index ${snapshot.index}`,
      );
  }
  return warnings;
}

function tableOf(rows: readonly NodeRow[], wide: boolean): string[][] {
  const head = [
    'NODE',
    'ADDRESS',
    'ROLE',
    'TERM',
    'COMMIT',
    'APPLIED',
    'LAST',
    ...(wide ? ['FIRST', 'LOG BYTES', 'VOTED', 'DURABILITY'] : []),
  ];
  const shown = (value: string | number | null): string => (value === null ? '?' : String(value));
  return [
    head,
    ...rows.map((row) => [
      shown(row.id),
      row.address,
      row.reachable ? shown(row.role) : 'unreachable',
      shown(row.term),
      shown(row.commitIndex),
      shown(row.appliedIndex),
      shown(row.lastIndex),
      ...(wide
        ? [shown(row.firstIndex), shown(row.logBytes), shown(row.votedFor), shown(row.durability)]
        : []),
    ]),
  ];
}
