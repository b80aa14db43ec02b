import type { Prng } from '../base/prng.ts';
import type { GroupStatus } from '../client/index.ts';

/** What a selector chooses from. */
export interface Scene {
  /** Ids, ascending. */
  readonly ids: readonly string[];
  readonly leader: string | null;
  readonly oldLeader: string | null;
  /** Nodes that are down or stand still. */
  readonly absent: ReadonlySet<string>;
  /** Those that the last fault struck. */
  readonly struck: readonly string[];
  readonly group: (id: string) => GroupStatus | null;
  readonly prng: Prng;
  /** Values of `$name`. */
  readonly variables: ReadonlyMap<string, string>;
}

/** A selector that selects nobody now, though it may later. */
export class NobodySelectedError extends Error {
  override readonly name = 'NobodySelectedError';
  readonly code = 'NOBODY_SELECTED';
}

/** @returns ids of the nodes that are meant, at least one. @throws NobodySelectedError */
export function select(selector: string, scene: Scene): string[] {
  const chosen = choose(selector, scene);
  if (chosen.length === 0) throw new NobodySelectedError(`${selector} is nobody now`);
  return chosen;
}

/** One node, where one is needed. @throws NobodySelectedError */
export function selectOne(selector: string, scene: Scene): string {
  const chosen = select(selector, scene);
  return chosen[chosen.length === 1 ? 0 : scene.prng.below(chosen.length)] as string;
}

function choose(selector: string, scene: Scene): string[] {
  const { ids, leader, oldLeader, absent, struck, prng, variables } = scene;
  if (selector.startsWith('$'))
    return [variables.get(selector.slice(1)) ?? ''].filter((id) => ids.includes(id));
  const present = ids.filter((id) => !absent.has(id));
  switch (selector) {
    case '@leader':
      return leader === null ? [] : [leader];
    case '@old-leader':
      return oldLeader === null ? [] : [oldLeader];
    case '@followers':
      return leader === null ? [] : present.filter((id) => id !== leader);
    case '@follower': {
      const followers = leader === null ? [] : present.filter((id) => id !== leader);
      return followers.length === 0 ? [] : [followers[prng.below(followers.length)] as string];
    }
    case '@most-up-to-date':
      return mostUpToDate(
        present.filter((id) => id !== leader),
        scene,
      );
    case '@any':
      return present.length === 0 ? [] : [present[prng.below(present.length)] as string];
    case '@struck':
      return [...struck];
    case '@all':
      return [...ids];
    default:
      return ids.filter((id) => id === selector);
  }
}

/** By section 5.4.1 of the Raft paper: the term of the last entry counts first. */
function mostUpToDate(ids: readonly string[], { group }: Scene): string[] {
  let best: string | null = null;
  for (const id of ids) if (best === null || isAhead(group(id), group(best))) best = id;
  return best === null ? [] : [best];
}

function isAhead(one: GroupStatus | null, other: GroupStatus | null): boolean {
  if (one === null) return false;
  if (other === null || one.lastTerm > other.lastTerm) return true;
  return one.lastTerm === other.lastTerm && one.lastIndex > other.lastIndex;
}
