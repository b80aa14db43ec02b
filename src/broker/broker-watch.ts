import { entryBody, entryQueue, entryRecordCount, type Entry } from '../base/entry.ts';
import { decodeCommand, type CommitPositions } from './commands.ts';
import type { GroupState } from './group.ts';
import { brokerViolations } from './invariants.ts';
import type { ApplyResult } from './outcomes.ts';
import type { StateMachine } from './state-machine.ts';

interface SeenQueue {
  readonly owner: number;
  readonly position: number | null;
}

interface SeenGroup {
  readonly members: ReadonlySet<number>;
  readonly queues: ReadonlyMap<number, SeenQueue>;
}

/**
 * Watches a state machine from outside, entry by entry, and says where a step was not allowed. For tests and
 * simulations. It keeps what it was told before (offsets given away, sequences committed) and looks at nothing inside,
 * so that what the machine forgets, it does not.
 */
export class BrokerWatch {
  /** Next offset by queue. */
  readonly #ends = new Map<number, number>();
  /** Base offset by index of the batch. */
  readonly #baseOffsets = new Map<number, number>();
  /** Sequence committed last by member: member ids never repeat. */
  readonly #sequences = new Map<number, number>();
  #groups = new Map<string, SeenGroup>();

  /** After each entry that was applied, in order. @returns what was wrong about it, in words with numbers. */
  observe(machine: StateMachine, entry: Entry, result: ApplyResult): string[] {
    const violations = [...this.#offsets(entry, result), ...this.#transitions(machine, entry, result)];
    return [...violations, ...brokerViolations(machine)].map((text) => `entry ${entry.index}: ${text}`);
  }

  #offsets(entry: Entry, result: ApplyResult): string[] {
    if (result.result === 'accepted' && result.baseOffset !== null) {
      const queue = entryQueue(entry);
      const expected = this.#ends.get(queue) ?? 0;
      this.#ends.set(queue, result.baseOffset + entryRecordCount(entry));
      this.#baseOffsets.set(entry.index, result.baseOffset);
      if (result.baseOffset !== expected)
        return [`batch at offset ${result.baseOffset} of queue ${queue}, which ended at ${expected}`];
    }
    if (result.result === 'duplicate' && result.baseOffset !== null) {
      const first = this.#baseOffsets.get(result.index);
      if (first !== undefined && first !== result.baseOffset)
        return [`retry of batch ${result.index} answered with offset ${result.baseOffset}, it got ${first}`];
    }
    return [];
  }

  #transitions(machine: StateMachine, entry: Entry, result: ApplyResult): string[] {
    if (result.result !== 'done') return [];
    const command = decodeCommand(entryBody(entry));
    if (command === null) return [];
    const commit = command.type === 'commit-positions' ? command : null;
    const mayPlace = command.type === 'reset-positions' ? command.group : null;
    const violations: string[] = [];
    const seen = new Map<string, SeenGroup>();
    for (const group of machine.groups()) {
      const before = this.#groups.get(group.name);
      if (before !== undefined) {
        const mine = commit?.group === group.name ? commit : null;
        violations.push(...this.#positions(group, before, mine, mayPlace === group.name));
        violations.push(...owners(group, before, mine));
      }
      seen.set(group.name, look(group));
    }
    this.#groups = seen;
    if (commit !== null && commit.memberId !== 0 && result.outcome.type === 'positions-committed') {
      if (!result.outcome.wasRepeated) this.#sequences.set(commit.memberId, commit.sequence);
    }
    return violations;
  }

  /** A position moves only by its owner's next commit, or while nobody is there. */
  #positions(
    group: GroupState,
    before: SeenGroup,
    commit: CommitPositions | null,
    isReset: boolean,
  ): string[] {
    const violations: string[] = [];
    for (const [id, { position }] of group.queues) {
      const was = before.queues.get(id);
      if (was === undefined || was.position === position) continue;
      const what = `position of queue ${id} in group ${group.name} went from ${was.position} to ${position}`;
      if (isReset || commit?.memberId === 0) {
        if (before.members.size > 0) violations.push(`${what} while there were members`);
      } else if (commit === null) {
        violations.push(`${what} without a commit`);
      } else if (was.owner !== commit.memberId) {
        violations.push(`${what} by member ${commit.memberId}, the owner was ${was.owner}`);
      } else if (commit.sequence <= (this.#sequences.get(commit.memberId) ?? 0)) {
        violations.push(`${what} by a commit that came late, sequence ${commit.sequence}`);
      }
    }
    return violations;
  }
}

/** An owner that is still there and wants the topic gives a queue up itself. */
function owners(group: GroupState, before: SeenGroup, commit: CommitPositions | null): string[] {
  const violations: string[] = [];
  for (const [id, { owner, queue }] of group.queues) {
    const was = before.queues.get(id)?.owner ?? 0;
    if (was === 0 || was === owner) continue;
    const old = group.members.get(was);
    if (old === undefined || !old.topics.has(queue.topic.name)) continue;
    const released = commit !== null && commit.memberId === was && commit.release.includes(id);
    if (!released)
      violations.push(`queue ${id} of group ${group.name} went from ${was} to ${owner}, not released`);
  }
  return violations;
}

function look(group: GroupState): SeenGroup {
  const queues = new Map<number, SeenQueue>();
  for (const [id, { owner, position }] of group.queues) queues.set(id, { owner, position });
  return { members: new Set(group.members.keys()), queues };
}
