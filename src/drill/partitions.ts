/** Whose messages no longer reach whom. */
export interface Cut {
  readonly from: string;
  readonly to: string;
}

/** Shapes of partitions, named as those who study them do. `one` of `isolate` and the bridge is the first node given. */
export type PartitionShape = 'isolate' | 'halves' | 'bridge' | 'ring' | 'chain' | 'one-way';

/**
 * The cuts that make a partition, each in one direction.
 * - `isolate`: the first hears nobody and nobody hears it.
 * - `halves`: the first half, rounded down, against the others.
 * - `bridge`: two halves that see each other only through the first, which sees all.
 * - `ring`: each sees only the one before and the one behind it.
 * - `chain`: a ring that is open: the last does not see the first.
 * - `one-way`: the first is heard by all and hears nobody.
 * @param ids all nodes, in the order that is meant.
 */
export function cutsOf(shape: PartitionShape, ids: readonly string[]): Cut[] {
  const pairs = ids.flatMap((from, at) =>
    ids.flatMap((to, place) => (at === place ? [] : [{ at, place, from, to }])),
  );
  return pairs
    .filter(({ at, place }) => !isOpen(shape, at, place, ids.length))
    .map(({ from, to }) => ({ from, to }));
}

function isOpen(shape: PartitionShape, from: number, to: number, size: number): boolean {
  switch (shape) {
    case 'isolate':
      return from !== 0 && to !== 0;
    case 'halves':
      return from < Math.floor(size / 2) === to < Math.floor(size / 2);
    case 'bridge':
      return from === 0 || to === 0 || from <= (size - 1) / 2 === to <= (size - 1) / 2;
    case 'ring':
      return (from + 1) % size === to || (to + 1) % size === from;
    case 'chain':
      return Math.abs(from - to) === 1;
    case 'one-way':
      return to !== 0;
  }
}
