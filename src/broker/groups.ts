import { isBrokerName } from '../base/message.ts';
import type { Mutations } from '../base/mutations.ts';
import type { CommitPositions, ExpireMembers, JoinGroup, LeaveGroup, ResetPositions } from './commands.ts';
import type { Reader } from './fields.ts';
import { FrozenViews } from './frozen-views.ts';
import { Group, decodeGroupState, encodeGroupState, type GroupState } from './group.ts';
import { refusal, type CommandOutcome, type Refusal } from './outcomes.ts';
import { badName, unknownTopic, type Queue, type Topic, type Topics } from './topics.ts';
import type { QueuePosition } from './queue-position.ts';

export interface GroupLimits {
  readonly groupsMax: number;
  readonly membersPerGroupMax: number;
  readonly topicsPerMemberMax: number;
  /** Queues of all groups together, as each group sees its own: what positions and owners take. */
  readonly queuesMax: number;
}

/** The same on every node of a cluster: a part of the format, as SESSION_LIMITS. */
export const GROUP_LIMITS: GroupLimits = {
  groupsMax: 10_000,
  membersPerGroupMax: 1024,
  topicsPerMemberMax: 1024,
  queuesMax: 1_048_576,
};

/** What a command about groups came to. `regrouped`: groups whose generation moved. */
export type GroupDecision =
  | { readonly outcome: CommandOutcome; readonly regrouped: readonly string[]; readonly digest: number }
  | Refusal;

/** Consumer groups: decides what commands about them come to. */
export class Groups {
  readonly #topics: Topics;
  readonly #limits: GroupLimits;
  readonly #mutations: Mutations;
  readonly #groups = new Map<string, Group>();
  readonly #views = new FrozenViews<Group>(encodeGroupState);
  #queueCount = 0;

  constructor(topics: Topics, limits: GroupLimits, mutations: Mutations) {
    this.#topics = topics;
    this.#limits = limits;
    this.#mutations = mutations;
  }

  get size(): number {
    return this.#groups.size;
  }

  find(name: string): GroupState | null {
    return this.#groups.get(name) ?? null;
  }

  all(): IterableIterator<GroupState> {
    return this.#groups.values();
  }

  join(command: JoinGroup, memberId: number): GroupDecision {
    const refused = this.#refuseJoin(command);
    if (refused !== null) return refused;
    const { group, result: replaced } = this.#change(command.group, (one) =>
      one.join(command, memberId, this.#topics),
    );
    const { name, generation } = group;
    return regrouped(group, { type: 'group-joined', group: name, memberId, generation, replaced });
  }

  leave({ group: name, memberId }: LeaveGroup): GroupDecision {
    const group = this.#groups.get(name);
    if (group === undefined) return unknownGroup(name);
    const outcome: CommandOutcome = { type: 'group-left', group: name, memberId };
    // Gone already: a retry hears what the first copy would have heard.
    if (!group.members.has(memberId)) return unchanged(group, outcome);
    this.#drop(group, [memberId]);
    return regrouped(group, outcome);
  }

  expire({ group: name, memberIds }: ExpireMembers): GroupDecision {
    const group = this.#groups.get(name);
    if (group === undefined) return unknownGroup(name);
    const expired = memberIds.filter((id) => group.members.has(id));
    const outcome: CommandOutcome = { type: 'members-expired', group: name, memberIds: expired };
    if (expired.length === 0) return unchanged(group, outcome);
    this.#drop(group, expired);
    return regrouped(group, outcome);
  }

  commit(command: CommitPositions): GroupDecision {
    return command.memberId === 0 ? this.#commitAlone(command) : this.#commitAsMember(command);
  }

  reset({ group: name, positions }: ResetPositions): GroupDecision {
    const refused = this.#refuseAlone(name, positions);
    if (refused !== null) return refused;
    const group = this.#place(name, positions);
    return unchanged(group, { type: 'positions-reset', group: name });
  }

  delete(name: string): GroupDecision {
    const group = this.#groups.get(name);
    if (group === undefined) return unknownGroup(name);
    if (group.members.size > 0) return notEmpty(group);
    // A view keeps the group as it is: nobody changes it any more.
    this.#groups.delete(name);
    this.#queueCount -= group.queues.size;
    return { outcome: { type: 'group-deleted', group: name }, regrouped: [], digest: group.digest };
  }

  /** Who subscribed to the topic gets its queues. @returns the groups that changed. */
  topicCreated(topic: Topic): string[] {
    return this.#rebalanceWhere((group) => group.subscribes(topic.name));
  }

  /** After the topic is gone: its queues leave all groups, positions included. @returns the groups that changed. */
  topicDeleted(topic: Topic): string[] {
    return this.#rebalanceWhere(
      (group) => group.subscribes(topic.name) || topic.queues.some(({ id }) => group.queues.has(id)),
    );
  }

  /** For digests: of all decisions about these groups. */
  digestOf(names: readonly string[]): number {
    return names.reduce((sum, name) => (sum + (this.#groups.get(name)?.digest ?? 0)) >>> 0, 0);
  }

  /** The groups as they are now, encoded one at a time. */
  freeze(): IterableIterator<Uint8Array> {
    return this.#views.freeze(this.#groups.values());
  }

  /** Fills an empty table with `count` groups. @throws RangeError */
  restore(reader: Reader, count: number): void {
    for (let at = 0; at < count; at += 1) {
      const group = decodeGroupState(reader, this.#topics, this.#mutations);
      this.#groups.set(group.name, group);
      this.#queueCount += group.queues.size;
    }
  }

  #commitAsMember(command: CommitPositions): GroupDecision {
    const { group: name, memberId, sequence, positions, release } = command;
    const group = this.#groups.get(name);
    if (group === undefined) return unknownGroup(name);
    const member = group.members.get(memberId);
    if (member === undefined) return stale(group, `member ${memberId} is not in the group any more`);
    if (sequence <= member.lastSequence && !this.#mutations.takesLateCommits)
      return unchanged(group, { type: 'positions-committed', group: name, wasRepeated: true });
    // A queue whose topic was deleted meanwhile has no position to keep, and that is no fault of the member's.
    const kept = positions.filter(({ queue }) => this.#topics.queue(queue) !== null);
    const foreign = kept.find(({ queue }) => !this.#mayCommit(group, queue, memberId));
    if (foreign !== undefined) return stale(group, `queue ${foreign.queue} is not member ${memberId}'s`);
    const beyond = this.#beyondEnd(kept);
    if (beyond !== null) return beyond;
    this.#views.preserve(group);
    member.lastSequence = sequence;
    for (const { queue, offset } of kept) group.commit(queue, offset);
    let handedOver = false;
    for (const queue of release) if (group.release(queue, memberId)) handedOver = true;
    const outcome: CommandOutcome = { type: 'positions-committed', group: name, wasRepeated: false };
    if (!handedOver) return unchanged(group, outcome);
    group.generation += 1;
    return regrouped(group, outcome);
  }

  #mayCommit(group: Group, queue: number, memberId: number): boolean {
    const row = group.queues.get(queue);
    return row !== undefined && (row.owner === memberId || this.#mutations.acceptsCommitsOfAnybody);
  }

  #commitAlone({ group: name, positions }: CommitPositions): GroupDecision {
    const refused = this.#refuseAlone(name, positions);
    if (refused !== null) return refused;
    const group = this.#place(name, positions);
    return unchanged(group, { type: 'positions-committed', group: name, wasRepeated: false });
  }

  #place(name: string, positions: readonly QueuePosition[]): Group {
    const { group } = this.#change(name, (one) => {
      for (const { queue: id, offset } of positions) {
        const queue = this.#topics.queue(id);
        if (queue !== null) one.place(queue, offset);
      }
    });
    return group;
  }

  /** What speaks against positions that no member stands for. */
  #refuseAlone(name: string, positions: readonly QueuePosition[]): Refusal | null {
    const group = this.#groups.get(name);
    if (group === undefined && !isBrokerName(name)) return badName('group', name);
    if (group !== undefined && group.members.size > 0) return notEmpty(group);
    const unknown = positions.find(({ queue }) => this.#topics.queue(queue) === null);
    if (unknown !== undefined) return refusal('UNKNOWN_TOPIC', `there is no queue ${unknown.queue}`);
    const more = positions.filter(({ queue }) => group?.queues.has(queue) !== true).length;
    return this.#refuseMore(group, more) ?? this.#beyondEnd(positions);
  }

  #refuseJoin({ group: name, instance, topics }: JoinGroup): Refusal | null {
    const group = this.#groups.get(name);
    if (!isBrokerName(name)) return badName('group', name);
    const { membersPerGroupMax, topicsPerMemberMax } = this.#limits;
    if (topics.length === 0 || topics.length > topicsPerMemberMax)
      return refusal('LIMIT_EXCEEDED', `${topics.length} topics, a member has 1 to ${topicsPerMemberMax}`);
    const unknown = topics.find((topic) => this.#topics.find(topic) === null);
    if (unknown !== undefined) return unknownTopic(unknown);
    const isAgain = [...(group?.members.values() ?? [])].some((member) => member.instance === instance);
    if (!isAgain && group !== undefined && group.members.size >= membersPerGroupMax)
      return refusal('LIMIT_EXCEEDED', `a group has at most ${membersPerGroupMax} members`);
    const wanted = [...new Set(topics)].flatMap((topic) => this.#topics.find(topic)?.queues ?? []);
    return this.#refuseMore(group, wanted.filter(({ id }) => group?.queues.has(id) !== true).length);
  }

  #refuseMore(group: Group | undefined, queues: number): Refusal | null {
    const { groupsMax, queuesMax } = this.#limits;
    if (group === undefined && this.#groups.size >= groupsMax)
      return refusal('LIMIT_EXCEEDED', `there are at most ${groupsMax} groups`);
    if (this.#queueCount + queues <= queuesMax) return null;
    return refusal('LIMIT_EXCEEDED', `all groups together have at most ${queuesMax} queues`);
  }

  #beyondEnd(positions: readonly QueuePosition[]): Refusal | null {
    for (const { queue: id, offset } of positions) {
      const queue = this.#topics.queue(id);
      if (queue !== null && offset > queue.endOffset) return outOfRange(queue, offset);
    }
    return null;
  }

  #drop(group: Group, memberIds: readonly number[]): void {
    this.#change(group.name, (one) => {
      for (const id of memberIds) one.members.delete(id);
      one.rebalance(this.#topics);
    });
  }

  #rebalanceWhere(isMeant: (group: Group) => boolean): string[] {
    const changed = [...this.#groups.values()].filter(isMeant).map(({ name }) => name);
    for (const name of changed) this.#change(name, (group) => group.rebalance(this.#topics));
    return changed;
  }

  /** Changes a group, which is there from now on, and keeps the count of queues. */
  #change<T>(name: string, change: (group: Group) => T): { group: Group; result: T } {
    const group = this.#groups.get(name) ?? new Group(name, this.#mutations);
    this.#groups.set(name, group);
    this.#views.preserve(group);
    const before = group.queues.size;
    const result = change(group);
    this.#queueCount += group.queues.size - before;
    return { group, result };
  }
}

function regrouped(group: Group, outcome: CommandOutcome): GroupDecision {
  return { outcome, regrouped: [group.name], digest: group.digest };
}

function unchanged(group: Group, outcome: CommandOutcome): GroupDecision {
  return { outcome, regrouped: [], digest: group.digest };
}

function unknownGroup(name: string): Refusal {
  return refusal('UNKNOWN_GROUP', `there is no group ${JSON.stringify(name.slice(0, 140))}`);
}

function stale(group: GroupState, why: string): Refusal {
  return refusal('STALE_MEMBER', `group ${group.name}, generation ${group.generation}: ${why}`);
}

function notEmpty(group: GroupState): Refusal {
  return refusal('GROUP_NOT_EMPTY', `group ${group.name} has ${group.members.size} members`);
}

function outOfRange({ id, topic, ordinal, firstOffset, endOffset }: Queue, offset: number): Refusal {
  const where = `queue ${id} (${topic.name}, ${ordinal})`;
  const text = `offset ${offset} is beyond the end of ${where}, which holds ${firstOffset} to ${endOffset}`;
  return { code: 'OFFSET_OUT_OF_RANGE', text, firstOffset, endOffset };
}
