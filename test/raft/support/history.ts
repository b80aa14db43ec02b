import type { NodeId } from '../../../src/base/units.ts';
import type { PeerMessage } from '../../../src/base/peer-message.ts';
import type { Ready } from '../../../src/raft/ready.ts';
import type { Replica } from './replica.ts';
import { must } from './test-disk.ts';

/**
 * What the properties of the paper's figure 3 are judged by: everything that ever happened in a cluster, seen from
 * outside through Readys and disks. Each check costs a step, not a scan, because a log's chained checksum at one index
 * stands for everything before it.
 */
export class History {
  readonly #replicas: ReadonlyMap<NodeId, Replica>;
  readonly #quorum: number;
  /** Election safety: at most one leader can be elected in a given term. */
  readonly #leaderOf = new Map<number, NodeId>();
  /** Log matching: the checksum of each (index, term) that any node ever wrote. */
  readonly #checksumOf = new Map<string, number>();
  /** Checksums of the log of each term's leader, by index - 1. */
  readonly #leaderLogs = new Map<number, number[]>();
  /** State machine safety: what was committed at each index, by index - 1, and in which term. */
  readonly #committed: { readonly checksum: number; readonly term: number }[] = [];
  /** Who was voted for last, by node and term: a vote that was lost in a crash may be given again. */
  readonly #votes = new Map<string, NodeId>();
  readonly #commitIndexes = new Map<NodeId, number>();

  constructor(replicas: ReadonlyMap<NodeId, Replica>) {
    this.#replicas = replicas;
    this.#quorum = Math.floor(replicas.size / 2) + 1;
  }

  get committedCount(): number {
    return this.#committed.length;
  }

  get terms(): number {
    return this.#leaderOf.size;
  }

  /** A process started: it may know less than the one before it did. */
  restarted(replica: Replica): void {
    this.#commitIndexes.set(replica.id, 0);
  }

  /** To be called for each Ready, after its writes were handed to the disk. */
  observe(replica: Replica, ready: Ready): void {
    const { id, disk } = replica;
    const log = disk.writtenLog;
    if (ready.hardState?.votedFor) {
      this.#votes.set(`${id} in ${ready.hardState.term}`, ready.hardState.votedFor);
    }
    for (const entry of ready.entries) {
      const key = `${entry.index} of term ${entry.term}`;
      const known = this.#checksumOf.get(key) ?? entry.checksum;
      must(known === entry.checksum, () => `log matching: there are two different entries ${key}`);
      this.#checksumOf.set(key, entry.checksum);
    }
    if (replica.core.role === 'leader') this.#observeLeader(replica);
    this.#observeCommit(replica, ready, log.length);
    for (const message of ready.messages) this.#observeMessage(replica, message);
    const durable = disk.durableLog[replica.core.durableIndex - 1]?.checksum;
    const written = log[replica.core.durableIndex - 1]?.checksum;
    must(
      replica.core.durableIndex <= disk.durableLog.length && durable === written,
      () =>
        `${id} takes entry ${replica.core.durableIndex} for durable, its disk has ${disk.durableLog.length} entries`,
    );
  }

  #observeLeader({ id, core, disk }: Replica): void {
    const log = disk.writtenLog;
    const known = this.#leaderOf.get(core.term);
    must(
      known === undefined || known === id,
      () => `election safety: ${known} and ${id} both lead term ${core.term}`,
    );
    let leaderLog = this.#leaderLogs.get(core.term);
    if (leaderLog === undefined) {
      this.#leaderOf.set(core.term, id);
      leaderLog = [];
      this.#leaderLogs.set(core.term, leaderLog);
      const last = this.#committed.findLastIndex((entry) => entry.term < core.term);
      must(
        last === -1 || log[last]?.checksum === this.#committed[last]?.checksum,
        () => `leader completeness: ${id} leads term ${core.term} without the committed entry ${last + 1}`,
      );
    }
    must(
      log.length >= leaderLog.length && log[leaderLog.length - 1]?.checksum === leaderLog.at(-1),
      () => `leader append-only: ${id} changed its log in term ${core.term}, which it leads`,
    );
    for (let at = leaderLog.length; at < log.length; at += 1) leaderLog.push(log[at]?.checksum ?? -1);
  }

  #observeCommit({ id, core, disk }: Replica, { commitIndex, truncateFrom }: Ready, lastIndex: number): void {
    const before = this.#commitIndexes.get(id) ?? 0;
    must(commitIndex >= before, () => `the commit index of ${id} goes back from ${before} to ${commitIndex}`);
    must(
      truncateFrom === null || truncateFrom > before,
      () => `${id} truncates from ${truncateFrom}, committed are ${before}`,
    );
    must(commitIndex <= lastIndex, () => `${id} commits ${commitIndex} of ${lastIndex} entries`);
    this.#commitIndexes.set(id, commitIndex);
    for (let at = before; at < commitIndex; at += 1) {
      const checksum = disk.writtenLog[at]?.checksum ?? -1;
      const known = this.#committed[at];
      if (known === undefined) {
        this.#committed.push({ checksum, term: core.term });
        const holders = [...this.#replicas.values()].filter(
          (one) => one.disk.durableLog[at]?.checksum === checksum,
        );
        must(
          holders.length >= this.#quorum,
          () =>
            `${id} commits entry ${at + 1}, which is durable only on [${holders.map((one) => one.id).join(' ')}]`,
        );
      } else {
        must(
          known.checksum === checksum,
          () => `state machine safety: ${id} commits another entry at ${at + 1}`,
        );
      }
    }
  }

  /** What may leave only after something is durable: votes and acknowledgements. */
  #observeMessage({ id, disk }: Replica, message: PeerMessage): void {
    const { durableHardState, durableLog } = disk;
    if (message.type === 'RequestVoteResponse' && message.verdict === 'granted') {
      const key = `${id} in ${message.term}`;
      must(this.#votes.get(key) === message.to, () => `${key} says it voted for ${message.to}, and did not`);
      const held = durableHardState.term > message.term || durableHardState.votedFor === message.to;
      must(durableHardState.term >= message.term && held, () => `${key} sends a vote that is not durable`);
    }
    if (message.type === 'AppendEntriesResponse' || message.type === 'HeartbeatResponse') {
      const { matchIndex, term } = message;
      if (matchIndex === 0) return;
      must(
        durableLog.length >= matchIndex && durableHardState.term >= term,
        () => `${id} acknowledges ${matchIndex} in term ${term} and has ${durableLog.length} durable entries`,
      );
      const leaders = this.#leaderLogs.get(term)?.[matchIndex - 1];
      must(
        leaders === durableLog[matchIndex - 1]?.checksum,
        () => `${id} acknowledges ${matchIndex} in term ${term} and has another entry there than the leader`,
      );
    }
  }

  /** All nodes of `among` hold and have committed the same log. */
  mustAgree(among: readonly Replica[]): void {
    const lengths = among.map((one) => one.disk.durableLog.length);
    const commits = among.map((one) => one.core.commitIndex);
    const ends = new Set(among.map((one) => one.disk.durableLog.at(-1)?.checksum));
    must(
      new Set([...lengths, ...commits]).size === 1 && ends.size === 1,
      () =>
        `the nodes do not agree: logs of ${lengths.join(' ')} entries, commit indexes ${commits.join(' ')}`,
    );
  }
}
