import type { ClusterStatus, NodeAnswer, NodeStatus } from '../client/index.ts';

export type HealthState = 'healthy' | 'degraded' | 'no-leader' | 'unreachable';

/** How a cluster is, and every reason why it is not well. */
export interface Health {
  readonly state: HealthState;
  /** One line each; empty where it is healthy. */
  readonly reasons: readonly string[];
  readonly leaderId: string | null;
  readonly term: number | null;
  readonly nodesUp: number;
  readonly nodes: number;
  /** A majority. */
  readonly nodesNeeded: number;
  /** How many more nodes may fail; null where nobody leads. */
  readonly tolerates: number | null;
}

/** Committed entries that a node has not stored yet: beyond this it would be slow to take over. */
export const LAG_ENTRIES_MAX = 10_000;
export const DISK_SHARE_MAX = 0.85;

/** The share of its disk that is taken, 0 to 1; null where that is not known. */
export function usedShare(disk: NodeStatus['disk']): number | null {
  return disk === null ? null : 1 - disk.freeBytes / disk.totalBytes;
}

export function judgeHealth(status: ClusterStatus): Health {
  const nodesUp = status.nodes.filter((node) => node.status !== null).length;
  const nodesNeeded = Math.floor(status.nodes.length / 2) + 1;
  const committed = Math.max(0, ...status.nodes.map((node) => node.status?.groups[0]?.commitIndex ?? 0));
  const reasons = status.nodes.flatMap((node) => complaintsOf(node, committed));
  if (status.leaderId === null) reasons.unshift(leaderless(nodesUp, nodesNeeded));
  return {
    state: stateOf(nodesUp, status.leaderId, reasons),
    reasons,
    leaderId: status.leaderId,
    term: status.term,
    nodesUp,
    nodes: status.nodes.length,
    nodesNeeded,
    tolerates: status.leaderId === null ? null : Math.max(0, counting(status) - nodesNeeded),
  };
}

function stateOf(nodesUp: number, leaderId: string | null, reasons: readonly string[]): HealthState {
  if (nodesUp === 0) return 'unreachable';
  if (leaderId === null) return 'no-leader';
  return reasons.length === 0 ? 'healthy' : 'degraded';
}

function leaderless(nodesUp: number, nodesNeeded: number): string {
  if (nodesUp >= nodesNeeded) return 'nobody leads: an election is on';
  const missing = nodesNeeded - nodesUp;
  return `nobody can lead: ${nodesUp} up, ${nodesNeeded} needed, ${missing} more to start`;
}

/** Nodes whose disks count towards a majority. */
function counting(status: ClusterStatus): number {
  return status.nodes.filter((node) => node.status?.groups[0]?.eligible === true).length;
}

function complaintsOf(node: NodeAnswer, committed: number): string[] {
  const name = node.nodeId ?? node.address;
  const { status } = node;
  if (status === null) return [`${name} does not answer: ${node.error ?? '?'}`];
  const complaints: string[] = [];
  const group = status.groups[0];
  if (group?.eligible === false)
    complaints.push(`${name} neither votes nor counts: ${group.ineligibleWhy ?? '?'}`);
  const lag = committed - (group?.durableIndex ?? committed);
  if (lag > LAG_ENTRIES_MAX) complaints.push(`${name} is ${lag} entries behind`);
  const used = usedShare(status.disk) ?? 0;
  if (used > DISK_SHARE_MAX) complaints.push(`the disk of ${name} is ${Math.floor(used * 100)} % full`);
  for (const unsafe of status.unsafe) complaints.push(`${name} runs with ${unsafe}: it gives up a promise`);
  for (const fault of status.faults)
    complaints.push(`${name} has a fault on request: ${fault.spec.kind} (${fault.id})`);
  return complaints;
}

/** One line: for `cluster health`, and for the head of the console. */
export function healthLine(health: Health): string {
  const { state, leaderId, term, nodesUp, nodes, nodesNeeded, tolerates } = health;
  const up = `${nodesUp} of ${nodes} nodes up`;
  switch (state) {
    case 'unreachable':
      return `? UNREACHABLE  no node answers (${nodes} known)`;
    case 'no-leader':
      return `✗ NO LEADER  ${up}, ${nodesNeeded} needed`;
    case 'healthy':
    case 'degraded': {
      const mark = state === 'healthy' ? '● HEALTHY' : '▲ DEGRADED';
      return `${mark}  ${leaderId ?? '?'} leads term ${term ?? '?'}; ${up}, tolerates ${failures(tolerates)}`;
    }
  }
}

function failures(count: number | null): string {
  if (count === null) return '? failures';
  return count === 1 ? '1 failure' : `${count} failures`;
}
