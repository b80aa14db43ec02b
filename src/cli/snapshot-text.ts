import type { NodeStatus } from '../client/index.ts';

type Snapshot = NodeStatus['snapshots'][number];

/** `installing snapshot 43 %` */
export function snapshotText(snapshot: Snapshot): string {
  return `${snapshot.direction === 'in' ? 'installing' : 'sending'} snapshot ${shareDone(snapshot)}`;
}

/** `43 %` */
export function shareDone({ bytes, doneBytes }: Snapshot): string {
  return `${bytes === 0 ? 100 : Math.floor((doneBytes / bytes) * 100)} %`;
}

/** The snapshot that a leader sends to this follower; null if it sends none. */
export function snapshotFor(snapshots: readonly Snapshot[], follower: string): Snapshot | null {
  return snapshots.find(({ direction, peer }) => direction === 'out' && peer === follower) ?? null;
}

/** The snapshot that a node gets; null if it gets none. */
export function snapshotOf({ snapshots }: Pick<NodeStatus, 'snapshots'>): Snapshot | null {
  return snapshots.find(({ direction }) => direction === 'in') ?? null;
}
