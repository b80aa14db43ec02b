import type { GroupState, Member, Topic } from '../../broker/index.ts';
import type {
  AssignedQueue,
  GroupInfo,
  GroupSummary,
  GroupView,
  MemberInfo,
  QueueLag,
  TopicInfo,
  TopicSummary,
} from '../../wire/broker-schema.ts';

// The replicated state, as clients are told of it.

export function topicInfo(topic: Topic): TopicInfo {
  return {
    ...headOf(topic),
    queues: topic.queues.map(({ id, ordinal, firstOffset, endOffset }) => ({
      id,
      ordinal,
      firstOffset,
      endOffset,
    })),
  };
}

export function topicSummary(topic: Topic): TopicSummary {
  let records = 0;
  for (const { firstOffset, endOffset } of topic.queues) records += endOffset - firstOffset;
  return { ...headOf(topic), queueCount: topic.queues.length, records };
}

export function groupSummary(group: GroupState): GroupSummary {
  return {
    name: group.name,
    generation: group.generation,
    state: stateOf(group),
    memberCount: group.members.size,
  };
}

export function groupInfo(group: GroupState): GroupInfo {
  const { name, generation } = group;
  const members = [...group.members.values()].map((member) => memberInfo(group, member));
  return { name, generation, state: stateOf(group), members };
}

/** What a member has to know; null for somebody who is none. */
export function groupView(group: GroupState, memberId: number): GroupView | null {
  if (!group.members.has(memberId)) return null;
  const assignment: AssignedQueue[] = [];
  for (const { queue, owner, target, position } of group.queues.values()) {
    if (owner !== memberId) continue;
    assignment.push({
      topic: queue.topic.name,
      ordinal: queue.ordinal,
      queue: queue.id,
      position,
      isRevoking: target !== memberId,
    });
  }
  return { memberId, generation: group.generation, assignment };
}

export function groupLag(group: GroupState): QueueLag[] {
  return [...group.queues.values()].map(({ queue, position }) => ({
    topic: queue.topic.name,
    queue: queue.ordinal,
    id: queue.id,
    committed: position,
    first: queue.firstOffset,
    end: queue.endOffset,
    lag: position === null ? null : queue.endOffset - Math.max(position, queue.firstOffset),
  }));
}

function headOf({
  name,
  topicId,
  createdAtMs,
  retentionMs,
  retentionBytes,
}: Topic): Omit<TopicInfo, 'queues'> {
  return { name, topicId, createdAtMs, retentionMs, retentionBytes };
}

function memberInfo(group: GroupState, member: Member): MemberInfo {
  const { memberId, instance, clientName, sessionTimeoutMs } = member;
  const queues = (groupView(group, memberId)?.assignment ?? []).map(
    ({ topic, ordinal, queue, isRevoking }) => ({
      topic,
      ordinal,
      id: queue,
      isRevoking,
    }),
  );
  return { memberId, instance, clientName, topics: [...member.topics], sessionTimeoutMs, queues };
}

function stateOf(group: GroupState): GroupInfo['state'] {
  if (group.members.size === 0) return 'empty';
  for (const { owner, target } of group.queues.values()) if (owner !== target) return 'rebalancing';
  return 'stable';
}
