import type { Clock, TimerHandle } from '../../base/ports/clock.ts';
import { encodeCommand, type Command, type CommandOutcome, type StateMachine } from '../../broker/index.ts';
import type { GroupRequest, GroupResult } from '../../wire/broker-schema.ts';
import { errorInfo, type ErrorInfo } from '../../wire/errors.ts';
import type { AppendPath } from '../append-path.ts';
import type { LeaderReads } from '../leader-reads.ts';
import { refusalError } from '../refusals.ts';
import type { MemberWatch } from './member-watch.ts';
import { groupView } from './views.ts';

export interface GroupPathParts {
  readonly machine: StateMachine;
  readonly appends: AppendPath;
  readonly leaderReads: LeaderReads;
  readonly members: MemberWatch;
  readonly clock: Clock;
  readonly enter: () => void;
  readonly refusalHint: () => ErrorInfo;
  /** Whether this node leads and has applied what its predecessors did. */
  readonly leads: () => boolean;
}

export type GroupAnswer = (result: GroupResult | ErrorInfo) => void;

type Heartbeat = Extract<GroupRequest, { readonly op: 'heartbeat' }>;

interface Waiting {
  readonly request: Heartbeat;
  readonly answer: GroupAnswer;
  readonly timer: TimerHandle;
}

const WAITING_MAX = 65_536;

/**
 * Membership of groups, at the leader. What changes a group is proposed and answered by what it came to; a heartbeat is
 * heard, and answered when the group has changed or its time is up.
 */
export class GroupPath {
  readonly #parts: GroupPathParts;
  /** By group. */
  readonly #waiting = new Map<string, Set<Waiting>>();
  #waitingCount = 0;

  constructor(parts: GroupPathParts) {
    this.#parts = parts;
  }

  counters(): Record<string, number> {
    return { heartbeatsWaiting: this.#waitingCount };
  }

  handle(request: GroupRequest, answer: GroupAnswer): void {
    switch (request.op) {
      case 'join':
        this.#propose(request, joinCommand(request), answer, (outcome) => this.#joined(outcome, answer));
        return;
      case 'heartbeat':
        // A leader that has not applied what its predecessors did may not know the member yet.
        if (this.#parts.leads()) this.#heartbeat(request, answer);
        else
          this.#parts.leaderReads.ask((error) => {
            if (error === null) this.#heartbeat(request, answer);
            else answer(error);
          });
        return;
      case 'commit': {
        const { group, memberId, sequence, positions, release } = request;
        const command: Command = { type: 'commit-positions', group, memberId, sequence, positions, release };
        if (memberId !== 0) this.#parts.members.heard(memberId);
        this.#propose(request, command, answer, () => answer({ op: 'commit' }));
        return;
      }
      case 'leave': {
        const { group, memberId } = request;
        this.#propose(request, { type: 'leave-group', group, memberId }, answer, () => {
          this.#parts.members.gone(memberId);
          answer({ op: 'leave' });
        });
      }
    }
  }

  /** The generation of this group has moved. */
  onRegrouped(group: string): void {
    const waiting = this.#waiting.get(group);
    if (waiting === undefined) return;
    for (const one of Array.from(waiting)) {
      this.#forget(one);
      this.#view(one.request, one.answer);
    }
  }

  onLeadershipLost(): void {
    const waiting = [...this.#waiting.values()].flatMap((group) => [...group]);
    for (const one of waiting) {
      this.#forget(one);
      one.answer(this.#parts.refusalHint());
    }
  }

  stop(): void {
    for (const group of this.#waiting.values()) for (const { timer } of group) timer.cancel();
  }

  #propose(
    { deadlineMs }: GroupRequest,
    command: Command,
    answer: GroupAnswer,
    then: (outcome: CommandOutcome) => void,
  ): void {
    this.#parts.appends.command(encodeCommand(command), deadlineMs, (error, decision) => {
      if (error !== null) answer(error);
      else if (decision?.result === 'done') then(decision.outcome);
      else if (decision?.result === 'refused') answer(refusalError(decision.refusal));
    });
  }

  #joined(outcome: CommandOutcome, answer: GroupAnswer): void {
    if (outcome.type !== 'group-joined') return;
    const { group, memberId, replaced } = outcome;
    if (replaced !== null) this.#parts.members.gone(replaced);
    this.#parts.members.heard(memberId);
    const state = this.#parts.machine.group(group);
    const view = state === null ? null : groupView(state, memberId);
    if (view === null) answer(staleMember(group, memberId));
    else answer({ op: 'join', ...view });
  }

  #heartbeat(request: Heartbeat, answer: GroupAnswer): void {
    const { machine, members, clock, enter } = this.#parts;
    const { group: name, memberId, generation, deadlineMs } = request;
    const group = machine.group(name);
    const member = group?.members.get(memberId);
    if (member === undefined || group === null || group.generation !== generation) {
      if (member !== undefined) members.heard(memberId);
      this.#view(request, answer);
      return;
    }
    members.heard(memberId);
    // Half of the session is left for the next one to arrive: that a connection is open proves nothing of its member.
    const waitMs = Math.min(request.waitMs, deadlineMs, member.sessionTimeoutMs / 2);
    if (waitMs <= 0 || this.#waitingCount >= WAITING_MAX) {
      this.#view(request, answer);
      return;
    }
    const waiting: Waiting = {
      request,
      answer,
      timer: clock.setTimer(waitMs, () => {
        enter();
        this.#forget(waiting);
        this.#view(request, answer);
      }),
    };
    const others = this.#waiting.get(name);
    if (others === undefined) this.#waiting.set(name, new Set([waiting]));
    else others.add(waiting);
    this.#waitingCount += 1;
  }

  #view({ group: name, memberId }: Heartbeat, answer: GroupAnswer): void {
    const group = this.#parts.machine.group(name);
    const view = group === null ? null : groupView(group, memberId);
    if (group === null) answer(errorInfo('UNKNOWN_GROUP', `there is no group ${JSON.stringify(name)}`));
    else if (view === null) answer(staleMember(name, memberId));
    else answer({ op: 'heartbeat', ...view });
  }

  #forget(waiting: Waiting): void {
    const { group } = waiting.request;
    const others = this.#waiting.get(group);
    if (others?.delete(waiting) !== true) return;
    waiting.timer.cancel();
    this.#waitingCount -= 1;
    if (others.size === 0) this.#waiting.delete(group);
  }
}

function joinCommand(request: Extract<GroupRequest, { readonly op: 'join' }>): Command {
  const { group, instance, clientName, topics, sessionTimeoutMs } = request;
  return { type: 'join-group', group, instance, clientName, topics, sessionTimeoutMs };
}

function staleMember(group: string, memberId: number): ErrorInfo {
  return errorInfo('STALE_MEMBER', `member ${memberId} is not in group ${group}, or not any more`);
}
