import { assert } from '../base/assert.ts';

/** A member of a group, as far as handing out queues is concerned. */
export interface Subscriber {
  readonly memberId: number;
  readonly topics: ReadonlySet<string>;
  /** Equal for members that subscribe to the same topics. */
  readonly subscription: string;
}

/** A queue of a topic that somebody subscribes to. */
export interface Assignable {
  readonly queue: number;
  readonly topic: string;
  readonly ordinal: number;
  /** Member that works on it now; 0: nobody. */
  readonly owner: number;
  /** Member that is to work on it, as decided the last time; 0: nobody. */
  readonly target: number;
}

interface Hand {
  readonly member: Subscriber;
  readonly peers: Peers;
  /** Places in the list of queues. Those that the member does not own yet come last: they cost nothing to move. */
  readonly held: number[];
}

/** Members that subscribe to the same topics. */
interface Peers {
  readonly topics: ReadonlySet<string>;
  readonly hands: Hand[];
}

/**
 * Decides which member is to have which queue. A function of its arguments alone, so that every node decides the same.
 *
 * Sticky: whoever has a queue keeps it, but for what the others lack. Balanced: of two members of which one could take
 * over a queue of the other's, the other has at most one more; so members with equal subscriptions differ by one at
 * most. Ties go to the member that joined first. Neighbouring ordinals go to different members, so that each topic is
 * spread where members have several.
 *
 * @param members in the order of their ids.
 * @returns the targets by queue, and how many queues changed hands that had a target before.
 */
export function assignQueues(
  members: readonly Subscriber[],
  queues: readonly Assignable[],
): { readonly targets: ReadonlyMap<number, number>; readonly moves: number } {
  const order = queues.toSorted((one, other) => one.ordinal - other.ordinal || one.queue - other.queue);
  const groups = groupBySubscription(members);
  const hands = new Map<number, Hand>();
  for (const peers of groups) for (const hand of peers.hands) hands.set(hand.member.memberId, hand);
  const free = keep(order, hands);
  handOut(order, free, groups);
  const moves = balance(order, groups, [...hands.values()].toSorted(byJoining));

  const targets = new Map<number, number>();
  for (const { queue } of order) targets.set(queue, 0);
  for (const { member, held } of hands.values()) {
    for (const at of held) targets.set(queueAt(order, at).queue, member.memberId);
  }
  return { targets, moves };
}

function byJoining(one: Hand, other: Hand): number {
  return one.member.memberId - other.member.memberId;
}

function groupBySubscription(members: readonly Subscriber[]): Peers[] {
  const groups = new Map<string, Peers>();
  for (const member of members) {
    let peers = groups.get(member.subscription);
    if (peers === undefined) {
      peers = { topics: member.topics, hands: [] };
      groups.set(member.subscription, peers);
    }
    peers.hands.push({ member, peers, held: [] });
  }
  return [...groups.values()];
}

/** Leaves queues where they are, as far as those members are still there. @returns the places of the others. */
function keep(order: readonly Assignable[], hands: ReadonlyMap<number, Hand>): number[] {
  const free: number[] = [];
  const notOwned: { readonly hand: Hand; readonly at: number }[] = [];
  for (const [at, { topic, owner, target }] of order.entries()) {
    // Whose target is gone goes back to its owner: then nothing has to be handed over.
    const hand = [target, owner].map((id) => hands.get(id)).find((one) => one?.member.topics.has(topic));
    if (hand === undefined) free.push(at);
    else if (hand.member.memberId === owner) hand.held.push(at);
    else notOwned.push({ hand, at });
  }
  for (const { hand, at } of notOwned) hand.held.push(at);
  return free;
}

/** Gives each free queue to whoever has least of those that want it. */
function handOut(order: readonly Assignable[], free: readonly number[], groups: readonly Peers[]): void {
  for (const at of free) {
    const { topic } = queueAt(order, at);
    let least: Hand | null = null;
    for (const { topics, hands } of groups) {
      if (!topics.has(topic)) continue;
      const candidate = leastOf(hands);
      if (least === null || hasLess(candidate, least)) least = candidate;
    }
    least?.held.push(at);
  }
}

/** Moves queues from whoever has most to whoever has least and can take one, until nobody lacks two. */
function balance(order: readonly Assignable[], groups: readonly Peers[], hands: readonly Hand[]): number {
  let moves = 0;
  for (;;) {
    const before = moves;
    // A move may let somebody give who could not before: only a round without moves is the last. It comes, because
    // each move makes the sum of squares smaller.
    const stuck = new Set<Hand>();
    for (;;) {
      const from = mostOf(hands, stuck);
      if (from === null) break;
      if (giveOne(order, from, groups)) moves += 1;
      else stuck.add(from);
    }
    if (moves === before) return moves;
  }
}

function giveOne(order: readonly Assignable[], from: Hand, groups: readonly Peers[]): boolean {
  const receivers = groups
    .map(({ hands }) => leastOf(hands))
    .filter(({ held }) => held.length + 2 <= from.held.length)
    .toSorted((one, other) => (hasLess(one, other) ? -1 : 1));
  for (const to of receivers) {
    const place = from.held.findLastIndex((at) => to.peers.topics.has(queueAt(order, at).topic));
    if (place === -1) continue;
    const [at] = from.held.splice(place, 1);
    assert(at !== undefined, () => `place ${place} of ${from.held.length} queues is empty`);
    to.held.push(at);
    return true;
  }
  return false;
}

function leastOf(hands: readonly Hand[]): Hand {
  let [least] = hands;
  assert(least !== undefined, 'a subscription without members');
  for (const hand of hands) if (hasLess(hand, least)) least = hand;
  return least;
}

function mostOf(hands: readonly Hand[], without: ReadonlySet<Hand>): Hand | null {
  let most: Hand | null = null;
  for (const hand of hands) {
    if (!without.has(hand) && (most === null || hand.held.length > most.held.length)) most = hand;
  }
  return most;
}

function hasLess(one: Hand, other: Hand): boolean {
  return (
    one.held.length < other.held.length ||
    (one.held.length === other.held.length && one.member.memberId < other.member.memberId)
  );
}

function queueAt(order: readonly Assignable[], at: number): Assignable {
  const queue = order[at];
  assert(queue !== undefined, () => `queue ${at} of ${order.length}`);
  return queue;
}
