import { join } from 'node:path';
import {
  configurationDraft,
  decodeConfiguration,
  FORMAT_VERSION,
  newClusterId,
  type Configuration,
  type Member,
} from '../base/configuration.ts';
import { entryBody, entryTime, sealEntries } from '../base/entry.ts';
import type { Clock } from '../base/ports/clock.ts';
import { DiskError, type Disk } from '../base/ports/disk.ts';
import type { Prng } from '../base/prng.ts';
import { NO_INDEX, type Incarnation, type LogIndex, type Term } from '../base/units.ts';
import {
  adoptLog,
  CheckpointStore,
  copyLog,
  OfflineLog,
  removeLog,
  verifyLog,
  Wal,
  type Identity,
  type LogReport,
} from '../wal/index.ts';
import { asNodeId } from './options.ts';

/** What is left of a cluster in one data directory. */
export interface Survivor {
  readonly identity: Identity;
  /** Who the cluster was, by the newest configuration that this node knew to be committed, or else has in its log. */
  readonly configuration: Configuration | null;
  readonly report: LogReport;
  /** What follows it is not known to have been committed. */
  readonly commitHint: LogIndex;
  /** Unix milliseconds of the last entry; null if there is none. */
  readonly lastTimeMs: number | null;
}

export interface RecoveryPorts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly prng: Prng;
}

/** One node of the cluster that is to be. */
export interface NewMember {
  readonly id: string;
  /** host:port */
  readonly address: string;
}

export interface Recovery {
  readonly clusterId: string;
  /** Of the entry that names the new members, the last one of each new log. */
  readonly index: LogIndex;
  readonly term: Term;
  /** By node, in the order of the members. */
  readonly directories: readonly { readonly id: string; readonly directory: string }[];
}

/** Reads all of it and writes nothing. @throws DirectoryRefusedError if it is no data directory; DiskError */
export function surveySurvivor({ disk, clock }: RecoveryPorts, directory: string): Survivor {
  const report = verifyLog(disk, directory);
  const log = new OfflineLog(disk, directory);
  try {
    const { identity, commitHint, firstIndex, lastIndex } = log;
    const [lastEntry] = lastIndex < firstIndex ? [] : log.entries(lastIndex, lastIndex);
    const checkpoint = new CheckpointStore({ disk, clock, directory, group: identity.group }).load();
    const entries = log.configurationEntries();
    const committed = entries.findLast((entry) => entry.index <= commitHint);
    const stored =
      checkpoint !== null && checkpoint.configuration.length > 0 ? checkpoint.configuration : null;
    const founding = entries[0] === undefined ? null : entryBody(entries[0]);
    const body = committed === undefined ? (stored ?? founding) : entryBody(committed);
    return {
      identity,
      configuration: body === null ? null : decodeConfiguration(body),
      report,
      commitHint: Math.max(commitHint, checkpoint?.index ?? NO_INDEX) as LogIndex,
      lastTimeMs: lastEntry === undefined ? null : entryTime(lastEntry),
    };
  } finally {
    log.close();
  }
}

/**
 * Founds a cluster on what one node has: makes a data directory for each new member, all with the survivor's log and behind it
 * one more entry, which names them. It counts as committed, and so does everything before it, for there is nobody left who
 * could say otherwise. All members are new incarnations of a new cluster that remembers which one it replaces, so that what
 * the lost nodes promised binds nobody and who of them comes back is refused.
 *
 * The survivor's directory is only read; it must verify, and nobody may write to it. `to` must be empty or not be there.
 * @param done with what was made, all of it durable.
 */
export function forceRecover(
  ports: RecoveryPorts,
  survivor: Survivor,
  from: string,
  plan: { readonly members: readonly NewMember[]; readonly to: string },
  done: (error: Error | null, recovery: Recovery | null) => void,
): void {
  const { disk, prng } = ports;
  copyLog(disk, from, plan.to);
  const configuration = newConfiguration(plan.members, prng);
  appendConfiguration(ports, plan.to, survivor, configuration, (error, end) => {
    if (error !== null || end === null) {
      done(error, null);
      return;
    }
    try {
      const directories = settle(disk, survivor.identity, configuration, plan.to);
      done(null, { clusterId: configuration.clusterId, ...end, directories });
    } catch (failure) {
      if (!(failure instanceof DiskError)) throw failure;
      done(failure, null);
    }
  });
}

/** Gives each member its directory, and clears away what they were copied from. */
function settle(
  disk: Disk,
  { group, replaces, clusterId: replaced }: Identity,
  { clusterId, members }: Configuration,
  to: string,
): Recovery['directories'] {
  const directories = members.map(({ id, incarnation }) => {
    const directory = join(to, id);
    adoptLog(disk, to, directory, {
      nodeId: id,
      incarnation,
      group,
      clusterId,
      replaces: replaced === null ? replaces : [...replaces, replaced],
    });
    return { id, directory };
  });
  removeLog(disk, to);
  return directories;
}

function newConfiguration(members: readonly NewMember[], prng: Prng): Configuration {
  const clusterId = newClusterId(prng);
  const named = members.map(
    ({ id, address }): Member => ({
      id: asNodeId(id),
      incarnation: prng.safeInteger() as Incarnation,
      role: 'voter',
      peerAddress: address,
      clientAddress: address,
    }),
  );
  return { clusterId, formatVersion: FORMAT_VERSION, members: named.sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** In a term of its own, so that no entry of the lost nodes can be mistaken for it. */
function appendConfiguration(
  { disk, clock, prng }: RecoveryPorts,
  directory: string,
  survivor: Survivor,
  configuration: Configuration,
  done: (error: Error | null, end: Pick<Recovery, 'index' | 'term'> | null) => void,
): void {
  const wal = Wal.open({
    disk,
    clock,
    prng,
    directory,
    nodeId: survivor.identity.nodeId,
    group: survivor.identity.group,
    onDurable: () => end(null),
    onFailure: (error) => end(error),
  });
  const end = (error: Error | null): void => {
    const last = error === null ? { index: wal.lastIndex, term: wal.lastTerm } : null;
    // In turns of their own: the log has to end what it is doing, and takes a disk error in here for one of its own.
    clock.defer(() => wal.close(() => clock.defer(() => done(error, last))));
  };
  const term = (Math.max(wal.hardState.term, wal.lastTerm) + 1) as Term;
  const entries = sealEntries([configurationDraft(configuration)], {
    group: survivor.identity.group,
    firstIndex: (wal.lastIndex + 1) as LogIndex,
    term,
    time: Math.max(clock.unixMs(), survivor.lastTimeMs ?? 0),
    previousChecksum: wal.lastChecksum,
  });
  wal.noteCommit((wal.lastIndex + 1) as LogIndex);
  wal.submit({ number: 1, hardState: { term, votedFor: null }, truncateFrom: null, entries });
}
