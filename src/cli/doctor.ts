import type { ClusterStatus, NodeAnswer, NodeEvent } from '../client/index.ts';
import { DISK_SHARE_MAX, LAG_ENTRIES_MAX, usedShare } from './health.ts';

/** Something that is not as it should be, and what to do about it. */
export interface Finding {
  readonly severity: 'critical' | 'warning' | 'notice';
  readonly finding: string;
  /** The figures it rests on. */
  readonly evidence: string;
  readonly cause: string;
  readonly next: string;
}

type Group = NonNullable<NodeAnswer['status']>['groups'][number];

const CLOCK_SKEW_MS_MAX = 1000;
const ELECTIONS_RECENT_MAX = 5;
const RECENT_MS = 10 * 60_000;
/** A third of the shortest election timeout of one site. */
const PACE_MS_MAX = 50;

/** What the nodes say, with when it was heard and what happened to them lately. */
export interface Examination {
  readonly status: ClusterStatus;
  /** Of each node that answered, by id. */
  readonly events: ReadonlyMap<string, readonly NodeEvent[]>;
  /** Unix milliseconds, by this machine. */
  readonly nowMs: number;
}

/** Looks for everything that is known to go wrong. The gravest first. */
export function diagnose(examination: Examination): Finding[] {
  const findings = [
    ...leaderless(examination),
    ...disagreements(examination),
    ...examination.status.nodes.flatMap((node) => aboutNode(node, examination)),
    ...elections(examination),
    ...clocks(examination),
  ];
  const order = ['critical', 'warning', 'notice'];
  return findings.toSorted((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity));
}

function leaderless({ status }: Examination): Finding[] {
  if (status.leaderId !== null) return [];
  const up = status.nodes.filter((node) => node.status !== null);
  const needed = Math.floor(status.nodes.length / 2) + 1;
  const said = up.map(
    (node) =>
      `${node.nodeId ?? node.address}: ${groupOf(node)?.role ?? '?'} in term ${groupOf(node)?.term ?? '?'}`,
  );
  const isMajority = up.length >= needed;
  return [
    {
      severity: 'critical',
      finding: 'nobody leads: nothing can be written',
      evidence: `${up.length} of ${status.nodes.length} nodes answer, ${needed} are needed; ${said.join(', ')}`,
      cause: isMajority
        ? 'an election is on, or the nodes cannot reach each other'
        : 'too many nodes are down or cut off',
      next: isMajority
        ? 'look again in a second; if it stays so: `dledger cluster events --level warn`'
        : `start ${needed - up.length} more of ${status.nodes
            .filter((node) => node.status === null)
            .map((node) => node.nodeId ?? node.address)
            .join(', ')}`,
    },
  ];
}

/** Nodes that follow somebody else than the leader in the same term cannot be; in another term they are cut off. */
function disagreements({ status }: Examination): Finding[] {
  const leaders = status.nodes.filter((node) => groupOf(node)?.role === 'leader');
  if (leaders.length < 2) return [];
  const said = leaders.map((node) => `${node.nodeId ?? '?'} in term ${groupOf(node)?.term ?? '?'}`);
  return [
    {
      severity: 'warning',
      finding: `${leaders.length} nodes say that they lead`,
      evidence: said.join(', '),
      cause:
        'the one with the lower term is cut off from the others and does not know yet; it can commit nothing',
      next: 'look again in a second; if it stays so, check the network between them',
    },
  ];
}

function aboutNode(node: NodeAnswer, examination: Examination): Finding[] {
  const name = node.nodeId ?? node.address;
  const { status } = node;
  if (status === null) {
    return [
      {
        severity: 'warning',
        finding: `${name} does not answer`,
        evidence: node.error ?? 'no answer',
        cause: 'its process is down, its machine is, or the network between is cut',
        next: `start it; where \`up\` runs it: dledger node restart ${name}`,
      },
    ];
  }
  return [...membership(name, groupOf(node)), ...storage(name, node, examination), ...pace(name, node)];
}

function membership(name: string, group: Group | null): Finding[] {
  if (group === null || group.eligible) return [];
  return [
    {
      severity: 'warning',
      finding: `${name} neither votes nor counts`,
      evidence: group.ineligibleWhy ?? 'it does not say why',
      cause: 'its disk was lost or replaced, or its record of votes is damaged',
      next: 'it is taken back by itself once a majority without it has agreed; until then one failure less is tolerated',
    },
  ];
}

function storage(name: string, node: NodeAnswer, { status }: Examination): Finding[] {
  const findings: Finding[] = [];
  const group = groupOf(node);
  const committed = Math.max(0, ...status.nodes.map((each) => groupOf(each)?.commitIndex ?? 0));
  const lag = committed - (group?.durableIndex ?? committed);
  if (lag > LAG_ENTRIES_MAX) {
    findings.push({
      severity: 'warning',
      finding: `${name} is ${lag} entries behind`,
      evidence: `durable up to ${group?.durableIndex ?? '?'}, committed ${committed}`,
      cause: 'it was down or cut off and catches up, or its disk or network is slower than the load',
      next: `watch it: dledger node status ${name}`,
    });
  }
  const disk = node.status?.disk ?? null;
  const used = usedShare(disk) ?? 0;
  if (used > DISK_SHARE_MAX) {
    findings.push({
      severity: used > 0.97 ? 'critical' : 'warning',
      finding: `the disk of ${name} is ${Math.floor(used * 100)} % full`,
      evidence: `${disk?.freeBytes ?? '?'} of ${disk?.totalBytes ?? '?'} bytes are free`,
      cause: 'the log or something else on that file system has grown',
      next: 'make room: a node without any takes no records, and hands leadership over',
    });
  }
  const { rotLeft = 0, rotRepaired = 0 } = node.status?.counters ?? {};
  if (rotLeft > 0) {
    findings.push({
      severity: 'critical',
      finding: `the log of ${name} is damaged in ${rotLeft} ${rotLeft === 1 ? 'segment' : 'segments'}, and that is not put back yet`,
      evidence:
        'records that do not verify were read, and served to nobody: dledger cluster events says which, and who was asked',
      cause: 'its disk lost or changed what it had stored, and no other node that answers has it',
      next: 'start the nodes that are down: one of them may have it (docs/recovery.md)',
    });
  } else if (rotRepaired > 0) {
    findings.push({
      severity: 'notice',
      finding: `the log of ${name} was damaged, and put back in ${rotRepaired} ${rotRepaired === 1 ? 'place' : 'places'}`,
      evidence: 'dledger cluster events says where, and with what',
      cause: 'its disk lost or changed what it had stored',
      next: 'nothing is missing; a disk that does so again is to be replaced',
    });
  }
  for (const unsafe of node.status?.unsafe ?? []) {
    findings.push({
      severity: 'critical',
      finding: `${name} gives up a promise`,
      evidence: unsafe,
      cause: 'it was started with a switch for measuring or testing',
      next: 'start it again without that switch before anybody relies on it',
    });
  }
  for (const fault of node.status?.faults ?? []) {
    findings.push({
      severity: 'notice',
      finding: `${name} has a fault on request`,
      evidence: `${fault.id} ${fault.spec.kind}, asked for by ${fault.owner}, ${fault.remainingMs} ms left`,
      cause: 'a drill or an operator asked for it',
      next: 'it ends by itself; at once: dledger fault clear --all',
    });
  }
  return findings;
}

function pace(name: string, node: NodeAnswer): Finding[] {
  const { syncMs, loopDelayMs } = node.status?.pace ?? { syncMs: null, loopDelayMs: null };
  const together = (syncMs?.p99 ?? 0) + (loopDelayMs ?? 0);
  if (together <= PACE_MS_MAX) return [];
  return [
    {
      severity: 'warning',
      finding: `${name} is slow for its time-outs`,
      evidence: `sync p99 ${syncMs?.p99.toFixed(1) ?? '?'} ms, loop up to ${loopDelayMs?.toFixed(1) ?? '?'} ms late`,
      cause: 'a slow or busy disk, or a busy machine',
      next: 'give it a faster disk, or longer time-outs (--profile wan); else elections happen without need',
    },
  ];
}

function elections({ events, nowMs }: Examination): Finding[] {
  const won = [...events.values()]
    .flat()
    .filter(({ code, at }) => code === 'election-won' && nowMs - at < RECENT_MS);
  if (won.length <= ELECTIONS_RECENT_MAX) return [];
  return [
    {
      severity: 'warning',
      finding: `${won.length} elections in ten minutes`,
      evidence: won
        .slice(-3)
        .map(({ text }) => text)
        .join('; '),
      cause: 'leaders that stall or die, a network that drops more than heartbeats allow, or drills',
      next: 'see why each began: dledger cluster events --code campaign-started',
    },
  ];
}

/** Time is stamped by leaders: a clock far off makes stored times jump at a failover, and nothing else. */
function clocks({ events, nowMs }: Examination): Finding[] {
  return [...events].flatMap(([name, told]): Finding[] => {
    const ahead = (told.at(-1)?.at ?? 0) - nowMs;
    if (ahead <= CLOCK_SKEW_MS_MAX) return [];
    return [
      {
        severity: 'notice',
        finding: `the clock of ${name} is ahead of this machine's`,
        evidence: `by at least ${ahead} ms`,
        cause: 'one of the two clocks is not synchronised',
        next: 'run a time service on both; no promise depends on it, only the stored times of records do',
      },
    ];
  });
}

function groupOf(node: NodeAnswer): Group | null {
  return node.status?.groups[0] ?? null;
}
