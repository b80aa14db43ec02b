import { removeDirectory, temporaryDirectory } from '../leftovers.ts';
import { EtcdCluster } from '../peers/etcd-cluster.ts';
import { BenchCluster } from '../processes.ts';
import { DledgerFailover } from './dledger.ts';
import { EtcdFailover } from './etcd.ts';
import { measureFailover, type Gaps } from './measure-failover.ts';
import type { Failover } from './system.ts';

export interface FailoverResult extends Gaps {
  readonly how: Failover;
  /** By the name of the peer: the same events there. */
  readonly peers: Readonly<Record<string, Gaps>>;
}

export interface FailoverOptions {
  /** Of transfers, which take the least time, there are twice as many. */
  readonly rounds: number;
  readonly recordBytes: number;
  /** Where the data of all servers goes. */
  readonly parent: string;
  readonly withEtcd: boolean;
}

/** One system at a time, each way with a fresh cluster. */
export async function runFailovers(
  ways: readonly Failover[],
  options: FailoverOptions,
  progress: (text: string) => void,
): Promise<FailoverResult[]> {
  const results: FailoverResult[] = [];
  for (const how of ways) {
    const rounds = how === 'transfer' ? options.rounds * 2 : options.rounds;
    const say = (system: string) => (done: number) =>
      progress(`${system}: failover by ${how} ${done}/${rounds}`);
    const own = await ofDledger(how, rounds, options, say('dledger'));
    const peers = options.withEtcd ? { etcd: await ofEtcd(how, rounds, options, say('etcd')) } : {};
    results.push({ how, ...own, peers });
  }
  return results;
}

async function ofDledger(
  how: Failover,
  rounds: number,
  { parent, recordBytes }: FailoverOptions,
  progress: (round: number) => void,
): Promise<Gaps> {
  const cluster = await BenchCluster.start(3, parent);
  try {
    const system = await DledgerFailover.start(cluster, recordBytes);
    try {
      return await measureFailover(system, how, rounds, progress);
    } finally {
      await system.close();
    }
  } finally {
    await cluster.stop();
  }
}

async function ofEtcd(
  how: Failover,
  rounds: number,
  { parent, recordBytes }: FailoverOptions,
  progress: (round: number) => void,
): Promise<Gaps> {
  const directory = temporaryDirectory(parent, 'dledger-bench-etcd-');
  const cluster = await EtcdCluster.start(directory);
  const system = new EtcdFailover(cluster, recordBytes);
  try {
    return await measureFailover(system, how, rounds, progress);
  } finally {
    await system.close();
    await cluster.stop();
    removeDirectory(directory);
  }
}
