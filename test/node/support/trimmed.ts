import type { Clock } from '../../../src/base/ports/clock.ts';
import type { Disk } from '../../../src/base/ports/disk.ts';
import { Prng } from '../../../src/base/prng.ts';
import { FIRST_GROUP, nodeId, type LogIndex } from '../../../src/base/units.ts';
import { CheckpointStore, IncomingSnapshot, SnapshotFile, Wal } from '../../../src/wal/index.ts';

/**
 * Gives a node that is down a log that begins behind its newest checkpoint, which must be at the log's end, as a node that
 * was stopped in good order leaves it.
 * @param done with the index of that; the next start finds such a log.
 */
export function trimToCheckpoint(
  { disk, clock, directory, id }: { disk: Disk; clock: Clock; directory: string; id: string },
  done: (index: LogIndex) => void,
): void {
  const wal = Wal.open({
    disk,
    clock,
    prng: new Prng(1),
    directory,
    nodeId: nodeId(id),
    group: FIRST_GROUP,
    onDurable: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const index = wal.lastIndex;
  const checkpoint = new CheckpointStore({ disk, clock, directory, group: FIRST_GROUP }).list().at(-1);
  if (checkpoint !== index) throw new Error(`${id} has a checkpoint at ${checkpoint} of ${index} entries`);
  const file = SnapshotFile.open(disk, directory, FIRST_GROUP, index);
  if (file === null) throw new Error(`the checkpoint of ${id} does not verify`);
  const incoming = new IncomingSnapshot(disk, directory, FIRST_GROUP, file.id);
  file.read(0, file.id.bytes, (_error, data) => {
    file.close();
    incoming.append(data);
    incoming.finish((_failure, isGood) => {
      if (!isGood) throw new Error('the copy of a checkpoint does not verify');
      wal.closeFor(incoming, (error) => {
        if (error !== null) throw error;
        done(index);
      });
    });
  });
}
