import { NO_INDEX, type LogIndex, type NodeId } from '../base/units.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import type { Storage } from './storage.ts';

/** Tells an event: to the journal, to who looks on, to the process. */
export type Announce = (
  level: NodeEvent['level'],
  code: string,
  text: string,
  fields: NodeEvent['fields'],
) => void;

/** Says what a node begins with, and what is wrong with it. */
export function announceStart(id: NodeId, storage: Storage, event: Announce): void {
  const { recovered, identity } = storage;
  event(
    'info',
    'started',
    recovered.lastIndex < recovered.firstIndex
      ? `${id} starts with an empty log${behind(recovered.lastIndex)} (incarnation ${identity.incarnation})`
      : `${id} starts with entries ${recovered.firstIndex} to ${recovered.lastIndex}, term ${recovered.hardState.term}, checkpoint at ${storage.checkpointIndex}`,
    { lastIndex: recovered.lastIndex, term: recovered.hardState.term },
  );
  const { installedIndex } = storage.wal;
  if (installedIndex !== null) {
    event('info', 'snapshot-installed', `installed snapshot at index ${installedIndex}`, {
      index: installedIndex,
    });
  }
  if (!recovered.hardStateTrusted) {
    event(
      'error',
      'vote-lost',
      "the record of this node's votes is damaged or behind its log: it takes the log in, but neither votes, leads nor counts. To make it count again, move its data directory away and start it empty",
      {},
    );
  }
}

function behind(lastIndex: LogIndex): string {
  return lastIndex === NO_INDEX ? '' : ` behind index ${lastIndex}`;
}
