import { assert } from '../base/assert.ts';
import type { Mutations } from '../base/mutations.ts';
import { assignQueues, type Assignable, type Subscriber } from './assignment.ts';
import type { JoinGroup } from './commands.ts';
import { mix } from './digest.ts';
import { Writer, type Reader } from './fields.ts';
import type { Queue, Topics } from './topics.ts';

export interface Member extends Subscriber {
  /** Index of the entry with which it joined: never given twice. */
  readonly memberId: number;
  readonly instance: string;
  readonly clientName: string;
  readonly sessionTimeoutMs: number;
  /** Of the last commit that was applied. */
  readonly lastSequence: number;
}

/** A queue as a group sees it. */
export interface GroupQueue {
  readonly queue: Queue;
  /** The member that works on it; 0: nobody. */
  readonly owner: number;
  /** The member that is to work on it: another one than the owner while a hand-over is under way. */
  readonly target: number;
  /** Next offset to be read; null: nothing was committed. May lie below what retention has left. */
  readonly position: number | null;
}

interface MutableMember extends Member {
  lastSequence: number;
}

export interface MutableGroupQueue extends GroupQueue {
  owner: number;
  target: number;
  position: number | null;
}

/** What the node may see of a group. */
export interface GroupState {
  readonly name: string;
  /** How members share queues; the only way today. Kept with the state so that others can come. */
  readonly mode: 'queues';
  /** Rises with every change of members, subscriptions or owners. */
  readonly generation: number;
  /** By member id, in the order of joining. */
  readonly members: ReadonlyMap<number, Member>;
  /** By queue id: those that somebody subscribes to, and those with a position. */
  readonly queues: ReadonlyMap<number, GroupQueue>;
}

/**
 * One consumer group: who is in it, who has which queue, and how far each was read.
 *
 * Every queue has one owner at each point of the log. A queue that is to go to another member stays with its owner until
 * that releases it, leaves or expires, and the next owner begins at the position committed by then: nothing is read twice
 * because of a hand-over, nothing is skipped, and members that keep their queues are not interrupted.
 */
export class Group implements GroupState {
  readonly name: string;
  readonly mode = 'queues';
  readonly members: Map<number, MutableMember> = new Map();
  readonly queues: Map<number, MutableGroupQueue> = new Map();
  generation = 0;
  /** Of every decision so far: two nodes that assigned differently notice. */
  digest = 0;

  readonly #mutations: Mutations;
  #rebalances = 0;

  constructor(name: string, mutations: Mutations) {
    this.name = name;
    this.#mutations = mutations;
  }

  /** @returns the member whose place it took, or null. */
  join(command: JoinGroup, memberId: number, topics: Topics): number | null {
    const old = [...this.members.values()].find(({ instance }) => instance === command.instance);
    if (old !== undefined) {
      this.members.delete(old.memberId);
      for (const row of this.queues.values()) {
        if (row.owner === old.memberId) row.owner = memberId;
        if (row.target === old.memberId) row.target = memberId;
      }
    }
    const { instance, clientName, sessionTimeoutMs } = command;
    const subscribed = subscriptionTo(command.topics);
    this.members.set(memberId, {
      memberId,
      instance,
      clientName,
      sessionTimeoutMs,
      lastSequence: 0,
      ...subscribed,
    });
    this.rebalance(topics);
    return old?.memberId ?? null;
  }

  /** Members or topics changed: decides again who is to have what. */
  rebalance(topics: Topics): void {
    const wanted = this.#subscribed(topics);
    for (const [id, row] of this.queues) {
      if (topics.queue(id) === null || (!wanted.has(id) && row.position === null)) this.queues.delete(id);
      else if (!wanted.has(id)) row.owner = row.target = 0;
    }
    for (const [id, queue] of wanted) {
      if (!this.queues.has(id)) this.queues.set(id, { queue, owner: 0, target: 0, position: null });
    }
    const assignable = [...wanted.keys()].map((id) => {
      const { queue, owner, target } = this.row(id);
      return { queue: id, topic: queue.topic.name, ordinal: queue.ordinal, owner, target };
    });
    const { targets } = assignQueues([...this.members.values()], this.#asRemembered(assignable));
    for (const [id, target] of targets) {
      const row = this.row(id);
      row.target = target;
      const owner = this.members.get(row.owner);
      // An owner that is gone, or wants the topic no more, has nothing to release.
      const isGone = owner === undefined || !owner.topics.has(row.queue.topic.name);
      if (this.#mutations.losesPositionsAtHandOver && row.owner !== target) row.position = null;
      if (isGone || this.#mutations.handsQueuesOverAtOnce) row.owner = target;
      this.digest = mix(mix(this.digest, id, row.owner), row.target, row.position ?? -1);
    }
    this.generation += 1;
  }

  commit(id: number, offset: number): void {
    this.row(id).position = offset;
    this.digest = mix(this.digest, id, offset);
  }

  /** The owner is done with it. Nothing happens where it is to stay. @returns whether it went to another member. */
  release(id: number, memberId: number): boolean {
    const row = this.queues.get(id);
    if (row === undefined || row.owner !== memberId || row.target === memberId) return false;
    row.owner = row.target;
    this.digest = mix(this.digest, id, row.owner);
    return true;
  }

  row(id: number): MutableGroupQueue {
    const row = this.queues.get(id);
    assert(row !== undefined, () => `group ${this.name} has no queue ${id}`);
    return row;
  }

  /** Sets a position where there is no member; adds the queue where it is not known yet. */
  place(queue: Queue, offset: number): void {
    if (!this.queues.has(queue.id)) this.queues.set(queue.id, { queue, owner: 0, target: 0, position: null });
    this.commit(queue.id, offset);
  }

  subscribes(topic: string): boolean {
    for (const { topics } of this.members.values()) if (topics.has(topic)) return true;
    return false;
  }

  /** As it is, but for the mutation, which forgets it at every second time of this process. */
  #asRemembered(queues: readonly Assignable[]): readonly Assignable[] {
    if (!this.#mutations.assignsFromMemory) return queues;
    this.#rebalances += 1;
    return this.#rebalances % 2 === 0 ? queues : queues.map((queue) => ({ ...queue, owner: 0, target: 0 }));
  }

  #subscribed(topics: Topics): Map<number, Queue> {
    const names = new Set<string>();
    for (const { topics: wanted } of this.members.values()) for (const name of wanted) names.add(name);
    const queues = new Map<number, Queue>();
    // By topic id: the order in which members named them must not matter.
    const found = [...names].flatMap((name) => topics.find(name) ?? []);
    for (const topic of found.toSorted((one, other) => one.topicId - other.topicId)) {
      for (const queue of topic.queues) queues.set(queue.id, queue);
    }
    return queues;
  }
}

function subscriptionTo(names: readonly string[]): Pick<Subscriber, 'topics' | 'subscription'> {
  const topics = new Set(names.toSorted());
  return { topics, subscription: [...topics].join(' ') };
}

// Of a checkpoint: text name, u32 mode (1), u64 generation, u32 digest, list of subscriptions (list of text topic), list
// of members (u64 id, text instance, text clientName, u32 sessionTimeoutMs, u64 lastSequence, u32 place of their
// subscription), list of queues (u32 queue, u64 owner, u64 target, u64 position or null).
//
// Members of a group nearly always subscribe to the same: written once, a hundred of them with a thousand topics do not
// hold the node up.

const MODE_QUEUES = 1;

export function encodeGroupState(group: Group): Uint8Array {
  const subscriptions = new Map<string, { readonly place: number; readonly topics: ReadonlySet<string> }>();
  for (const { subscription, topics } of group.members.values()) {
    if (!subscriptions.has(subscription))
      subscriptions.set(subscription, { place: subscriptions.size, topics });
  }
  const writer = new Writer(256 + group.queues.size * 28)
    .text(group.name)
    .u32(MODE_QUEUES)
    .uint53(group.generation)
    .u32(group.digest)
    .u32(subscriptions.size);
  for (const { topics } of subscriptions.values()) {
    writer.u32(topics.size);
    for (const topic of topics) writer.text(topic);
  }
  writer.u32(group.members.size);
  for (const one of group.members.values()) {
    writer.uint53(one.memberId).text(one.instance).text(one.clientName).u32(one.sessionTimeoutMs);
    writer.uint53(one.lastSequence).u32(subscriptions.get(one.subscription)?.place ?? 0);
  }
  writer.u32(group.queues.size);
  for (const [id, { owner, target, position }] of group.queues) {
    writer.u32(id).uint53(owner).uint53(target).nullable(position);
  }
  return writer.finish();
}

/** @throws RangeError where the bytes are no group, or it has queues that are not there. */
export function decodeGroupState(reader: Reader, topics: Topics, mutations: Mutations): Group {
  const group = new Group(reader.text(), mutations);
  const mode = reader.u32();
  if (mode !== MODE_QUEUES) throw new RangeError(`group ${group.name} has the unknown mode ${mode}`);
  group.generation = reader.uint53();
  group.digest = reader.u32();
  const subscriptions = reader.list(() => subscriptionTo(reader.list(() => reader.text())));
  reader.list(() => {
    const [memberId, instance, clientName] = [reader.uint53(), reader.text(), reader.text()];
    const [sessionTimeoutMs, lastSequence, place] = [reader.u32(), reader.uint53(), reader.u32()];
    const subscribed = subscriptions[place];
    if (subscribed === undefined) throw new RangeError(`group ${group.name} has no subscription ${place}`);
    group.members.set(memberId, {
      memberId,
      instance,
      clientName,
      sessionTimeoutMs,
      lastSequence,
      ...subscribed,
    });
  });
  reader.list(() => {
    const id = reader.u32();
    const queue = topics.queue(id);
    if (queue === null) throw new RangeError(`group ${group.name} has the unknown queue ${id}`);
    const [owner, target, position] = [reader.uint53(), reader.uint53(), reader.nullable()];
    group.queues.set(id, { queue, owner, target, position });
  });
  return group;
}
