import type { NodeStatus } from '../wire/status-schema.ts';
import { formatEndpoint, parseEndpoint, type Endpoint } from './endpoint.ts';
import type { ClientPorts } from './leader-link.ts';
import { queryStatus } from './node-query.ts';

export interface NodeAnswer {
  /** By its own word, or by that of a node which has this address for a member; null where nobody says. */
  readonly nodeId: string | null;
  /** host:port, as it was asked. */
  readonly address: string;
  /** Null where it did not answer. */
  readonly status: NodeStatus | null;
  /** Why it did not. */
  readonly error: string | null;
}

export interface ClusterStatus {
  readonly clusterId: string | null;
  readonly leaderId: string | null;
  /** The highest that any node knows; null where none answers. */
  readonly term: number | null;
  /** Every node that is known from the endpoints and from what nodes say of their members, answering or not; by id. */
  readonly nodes: readonly NodeAnswer[];
}

/** A node that lies about its members does not make us call the whole world. */
const NODES_MAX = 64;

/**
 * Asks every node that can be found, each directly and all at once.
 * @param timeoutMs for each node.
 * @param done called once, in a later turn.
 */
export function surveyCluster(
  endpoints: readonly Endpoint[],
  clusterId: string | null,
  timeoutMs: number,
  ports: ClientPorts,
  done: (status: ClusterStatus) => void,
): void {
  const answers = new Map<string, NodeAnswer | null>();
  let outstanding = 0;
  const ask = (endpoint: Endpoint): void => {
    const address = formatEndpoint(endpoint);
    if (answers.has(address) || answers.size >= NODES_MAX) return;
    answers.set(address, null);
    outstanding += 1;
    queryStatus(endpoint, clusterId, timeoutMs, ports, (status, why) => {
      const nodeId = status?.nodeId ?? null;
      answers.set(address, { nodeId, address, status, error: status === null ? why : null });
      for (const member of membersOf(status)) {
        const found = parseEndpoint(member.address);
        if (found !== null) ask(found);
      }
      outstanding -= 1;
      if (outstanding === 0) done(summarize([...answers.values()].filter((answer) => answer !== null)));
    });
  };
  for (const endpoint of endpoints) ask(endpoint);
}

function summarize(answers: readonly NodeAnswer[]): ClusterStatus {
  const groups = answers.flatMap((answer) => answer.status?.groups[0] ?? []);
  // A leader is believed only at its own word and in the highest term anybody knows: one of the past says so too.
  const term = groups.length === 0 ? null : Math.max(...groups.map((group) => group.term));
  const leader = answers.find((answer) => {
    const group = answer.status?.groups[0];
    return group?.role === 'leader' && group.term === term;
  });
  const nodes = distinct(named(answers)).sort(byId);
  return {
    clusterId:
      answers.find((answer) => (answer.status?.clusterId ?? null) !== null)?.status?.clusterId ?? null,
    leaderId: leader?.nodeId ?? null,
    term,
    nodes,
  };
}

/** Those that do not answer get the names that others have for their addresses. */
function named(answers: readonly NodeAnswer[]): NodeAnswer[] {
  const names = new Map<string, string>();
  for (const { status } of answers) {
    for (const member of membersOf(status)) names.set(member.address, member.id);
  }
  return answers.map((answer) => ({ ...answer, nodeId: answer.nodeId ?? names.get(answer.address) ?? null }));
}

/** One process that was reached by two names (localhost and 127.0.0.1, say) is one node. */
function distinct(answers: readonly NodeAnswer[]): NodeAnswer[] {
  const seen = new Set<number>();
  const answering = new Set(answers.flatMap((answer) => (answer.status === null ? [] : [answer.nodeId])));
  return answers.filter(({ nodeId, status }) => {
    if (status === null) return nodeId === null || !answering.has(nodeId);
    const isNew = !seen.has(status.bootId);
    seen.add(status.bootId);
    return isNew;
  });
}

function membersOf(status: NodeStatus | null): readonly { readonly id: string; readonly address: string }[] {
  return status?.groups.flatMap((group) => group.members) ?? [];
}

function byId(one: NodeAnswer, other: NodeAnswer): number {
  if (one.nodeId === other.nodeId) return 0;
  if (one.nodeId === null) return 1;
  if (other.nodeId === null) return -1;
  return one.nodeId < other.nodeId ? -1 : 1;
}
