import { FIRST_GROUP, nodeId, type LogIndex } from '../../../src/base/units.ts';
import { Prng } from '../../../src/base/prng.ts';
import type { SimulatedCluster } from '../../../src/sim/simulated-cluster.ts';
import { CheckpointStore, IncomingSnapshot, SnapshotFile, Wal } from '../../../src/wal/index.ts';

const DIRECTORY = '/data';

/**
 * Gives a node that is down a log that begins behind its newest checkpoint, which must be at the log's end.
 * @returns the index of that.
 */
export function trimToCheckpoint(cluster: SimulatedCluster, id: string): LogIndex {
  const disk = cluster.disk(id);
  const { clock } = cluster;
  const wal = Wal.open({
    disk,
    clock,
    prng: new Prng(1),
    directory: DIRECTORY,
    nodeId: nodeId(id),
    group: FIRST_GROUP,
    segmentBytes: 256 * 1024,
    onDurable: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const store = new CheckpointStore({ disk, clock, directory: DIRECTORY, group: FIRST_GROUP });
  const index = store.list().at(-1) ?? 0;
  if (index !== wal.lastIndex) throw new Error(`${id} has a checkpoint at ${index} of ${wal.lastIndex}`);
  const file = SnapshotFile.open(disk, DIRECTORY, FIRST_GROUP, wal.lastIndex);
  if (file === null) throw new Error('no checkpoint');
  const incoming = new IncomingSnapshot(disk, DIRECTORY, FIRST_GROUP, file.id);
  file.close();
  incoming.append(disk.visible(`${DIRECTORY}/checkpoint-${String(index).padStart(16, '0')}`));
  let isDone = false;
  incoming.finish(() =>
    wal.closeFor(incoming, (error) => {
      if (error !== null) throw error;
      isDone = true;
    }),
  );
  clock.runUntil(() => isDone, 1000);
  disk.kill();
  return wal.lastIndex;
}
