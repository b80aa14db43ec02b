import type { GroupState } from './group.ts';
import type { StateMachine } from './state-machine.ts';

/**
 * What must hold of the replicated state after every entry. For tests and simulations: it looks at everything.
 * @returns what does not hold, in words with numbers; empty where all does.
 */
export function brokerViolations(machine: StateMachine): string[] {
  const violations: string[] = [];
  let queues = 0;
  for (const topic of machine.topics()) {
    queues += topic.queues.length;
    if (machine.topic(topic.name) !== topic) violations.push(`topic ${topic.name} is not found by its name`);
    for (const queue of topic.queues) {
      const { id, ordinal, firstOffset, endOffset } = queue;
      if (machine.queue(id) !== queue)
        violations.push(`queue ${id} of ${topic.name} is not found by its number`);
      if (topic.queues[ordinal] !== queue || queue.topic !== topic)
        violations.push(`queue ${id} is not number ${ordinal} of ${topic.name}`);
      if (firstOffset < 0 || firstOffset > endOffset)
        violations.push(`queue ${id} holds ${firstOffset} to ${endOffset}`);
    }
  }
  if (queues !== machine.queueCount) violations.push(`${machine.queueCount} queues counted, ${queues} found`);
  for (const group of machine.groups()) violations.push(...groupViolations(machine, group));
  return violations;
}

function groupViolations(machine: StateMachine, group: GroupState): string[] {
  const violations: string[] = [];
  const say = (text: string): void => {
    violations.push(`group ${group.name}, generation ${group.generation}: ${text}`);
  };
  if (machine.group(group.name) !== group) say('not found by its name');
  const load = new Map<number, number>();
  for (const id of group.members.keys()) load.set(id, 0);
  for (const [id, { queue, owner, target, position }] of group.queues) {
    if (machine.queue(id) !== queue) say(`queue ${id} is not there any more`);
    if (position !== null && (position < 0 || position > queue.endOffset))
      say(`position ${position} in queue ${id}, which ends at ${queue.endOffset}`);
    for (const [what, memberId] of [
      ['owner', owner],
      ['target', target],
    ] as const) {
      if (memberId === 0) continue;
      const member = group.members.get(memberId);
      if (member === undefined) say(`${what} ${memberId} of queue ${id} is no member`);
      else if (!member.topics.has(queue.topic.name))
        say(`${what} ${memberId} of queue ${id} does not subscribe to ${queue.topic.name}`);
    }
    if ((owner === 0) !== (target === 0)) say(`queue ${id} has owner ${owner} and target ${target}`);
    if (owner === 0 && isWanted(group, queue.topic.name)) say(`queue ${id} has no owner`);
    if (target !== 0) load.set(target, (load.get(target) ?? 0) + 1);
  }
  for (const member of group.members.values()) {
    for (const name of member.topics) {
      for (const { id } of machine.topic(name)?.queues ?? [])
        if (!group.queues.has(id)) say(`queue ${id} of ${name} is nobody's`);
    }
  }
  violations.push(...unbalanced(group, load));
  return violations;
}

function isWanted(group: GroupState, topic: string): boolean {
  return [...group.members.values()].some(({ topics }) => topics.has(topic));
}

/** Members that subscribe to the same have the same number of queues, or one more. */
function unbalanced(group: GroupState, load: ReadonlyMap<number, number>): string[] {
  const counts = new Map<string, number[]>();
  for (const { memberId, subscription } of group.members.values()) {
    const list = counts.get(subscription) ?? [];
    list.push(load.get(memberId) ?? 0);
    counts.set(subscription, list);
  }
  return [...counts.values()]
    .filter((list) => Math.max(...list) - Math.min(...list) > 1)
    .map((list) => `group ${group.name}: equal members have ${list.join(', ')} queues`);
}
