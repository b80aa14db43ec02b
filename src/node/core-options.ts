import { FORMAT_VERSION, newClusterId, type Configuration } from '../base/configuration.ts';
import type { Prng } from '../base/prng.ts';
import { FIRST_GROUP, UNKNOWN_INCARNATION } from '../base/units.ts';
import { RAFT_DEFAULTS, type RaftOptions } from '../raft/index.ts';
import { asNodeId, slowSyncMs, type NodeOptions } from './options.ts';
import type { Storage } from './storage.ts';

/** What the operator asked for and what the disk holds, as the consensus core takes it: its time is in ticks. */
export function coreOptions(options: NodeOptions, storage: Storage, prng: Prng): RaftOptions {
  const ticks = (ms: number): number => Math.max(1, Math.round(ms / options.tickMs));
  return {
    ...RAFT_DEFAULTS,
    id: asNodeId(options.id),
    incarnation: storage.identity.incarnation,
    group: FIRST_GROUP,
    prng: prng.fork(),
    electionTimeoutTicksMin: ticks(options.electionTimeoutMsMin),
    electionTimeoutTicksMax: ticks(options.electionTimeoutMsMax),
    heartbeatTicks: ticks(options.heartbeatMs),
    transferTimeoutTicks: ticks(options.electionTimeoutMsMax),
    cacheBytesMax: options.cacheBytesMax,
    appendEntriesMax: options.appendEntriesMax,
    inflightMessagesMax: options.inflightMessagesMax,
    priority: options.priority,
    slowSyncMs: slowSyncMs(options),
    mutations: options.mutations,
    bootstrap: { configuration: foundingConfiguration(options, prng) },
    recovered: storage.recovered,
  };
}

/** What this node would found a cluster with, should it be the first leader ever. */
function foundingConfiguration({ peers }: NodeOptions, prng: Prng): Configuration {
  const clusterId = newClusterId(prng);
  const members = peers
    .map((peer) => ({
      id: asNodeId(peer.id),
      incarnation: UNKNOWN_INCARNATION,
      role: 'voter' as const,
      peerAddress: peer.address,
      clientAddress: peer.address,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return { clusterId, formatVersion: FORMAT_VERSION, members };
}
