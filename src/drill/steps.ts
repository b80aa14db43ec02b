import { breakagesOf, describeBreakage } from './breakages.ts';
import type { Step, WaitPlan } from './drill.ts';
import { FaultFailedError, type Breakage } from './faults.ts';
import type { JournalStep } from './journal.ts';
import { holds } from './quantities.ts';
import { NobodySelectedError, select, selectOne } from './selectors.ts';
import type { Stage } from './stage.ts';

/** The cluster did not do in time what a step waits for. */
export class StepFailedError extends Error {
  override readonly name = 'StepFailedError';
  readonly code = 'STEP_FAILED';
}

/** The step could not be done to the cluster: that says nothing about the cluster. */
export class StepImpossibleError extends Error {
  override readonly name = 'StepImpossibleError';
  readonly code = 'STEP_IMPOSSIBLE';
}

/** Somebody ended the drill. */
export class StepAbortedError extends Error {
  override readonly name = 'StepAbortedError';
  readonly code = 'STEP_ABORTED';
}

type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;

/** Does the steps of a drill, one after the other. */
export class StepRunner {
  readonly done: JournalStep[] = [];
  readonly #stage: Stage;
  readonly #onStep: (step: Step) => void;

  /** @param onStep called as each step begins. */
  constructor(stage: Stage, onStep: (step: Step) => void) {
    this.#stage = stage;
    this.#onStep = onStep;
  }

  /** @throws StepFailedError, StepImpossibleError, StepAbortedError */
  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#repeat(step);
  }

  async #repeat(step: Step): Promise<void> {
    for (let round = 1; round <= step.repeat; round += 1) {
      const startMs = this.#stage.nowMs();
      await this.#runOnce(step, step.repeat === 1 ? step.name : `${step.name} ${round}/${step.repeat}`);
      await this.run(step.next);
      if (round < step.repeat)
        await this.#stage.pause(Math.max(0, startMs + step.everyMs - this.#stage.nowMs()));
    }
  }

  async #runOnce(step: Step, name: string): Promise<void> {
    const stage = this.#stage;
    if (stage.signal.aborted) throw new StepAbortedError('the drill was aborted');
    this.#onStep(step);
    const startMs = stage.nowMs();
    const note = (ok: boolean, text: string): void => {
      this.done.push({ name, kind: step.kind, startMs, endMs: stage.nowMs(), ok, text });
    };
    try {
      note(true, await this.#do(step));
    } catch (error) {
      const known = asStepError(error, name);
      note(false, known.message);
      throw known;
    }
    if (stage.signal.aborted) throw new StepAbortedError('the drill was aborted');
  }

  /** @returns what was done, for people. */
  async #do(step: Step): Promise<string> {
    switch (step.kind) {
      case 'fault':
        return this.#break(step);
      case 'heal':
        return this.#heal(step);
      case 'wait':
        return this.#wait(step);
      case 'sleep':
        await this.#stage.pause(step.ms);
        return `slept ${step.ms} ms`;
      case 'restart':
        return this.#restart(step);
      case 'transferLeader':
        return this.#transfer(step);
      case 'forEach':
        return this.#forEach(step);
    }
  }

  async #break(step: StepOf<'fault'>): Promise<string> {
    const { desk, view } = this.#stage;
    const breakages = await this.#whenSelectable(() => breakagesOf(step.fault, this.#stage.scene));
    this.#stage.leaderBefore = view.leader;
    await desk.applyAll(step.name, breakages, step.ttlMs);
    return tell(breakages);
  }

  async #heal({ what }: StepOf<'heal'>): Promise<string> {
    const { desk } = this.#stage;
    const before = desk.records.filter(({ healedMs }) => healedMs === null);
    const meant = before.filter(({ step }) => what === 'all' || step === what);
    if (what === 'all') await desk.healAll();
    else await desk.heal(({ step }) => step === what);
    return meant.length === 0
      ? 'nothing was broken any more'
      : `healed ${tell(meant.map((each) => each.breakage))}`;
  }

  async #wait({ wait, timeoutMs }: StepOf<'wait'>): Promise<string> {
    const { view, measurements, signal } = this.#stage;
    const startMs = this.#stage.nowMs();
    const ackedBefore = measurements.acked;
    const isSo = await view.until(
      () => this.#isSo(wait, measurements.acked - ackedBefore),
      timeoutMs,
      signal,
    );
    if (signal.aborted) throw new StepAbortedError('the drill was aborted');
    const tookMs = Math.round(this.#stage.nowMs() - startMs);
    const leader = view.leader === null ? 'nobody leads' : `${view.leader} leads term ${view.term}`;
    const state = `${leader}, lag ${view.lag ?? 'unknown'}`;
    if (!isSo) throw new StepFailedError(`not so within ${timeoutMs} ms: ${describeWait(wait)} (${state})`);
    return `${describeWait(wait)} after ${tookMs} ms (${state})`;
  }

  #isSo(wait: WaitPlan, acked: number): boolean {
    const { view, scene } = this.#stage;
    if (wait.lag !== null && (view.lag === null || !holds(wait.lag, view.lag))) return false;
    if (wait.acked !== null && !holds(wait.acked, acked)) return false;
    try {
      if (wait.leader !== null && !this.#leads(wait.leader)) return false;
      return (
        wait.node === null || select(wait.node, scene).every((id) => this.#hasRole(id, wait.role ?? 'up'))
      );
    } catch (error) {
      if (error instanceof NobodySelectedError) return false;
      throw error;
    }
  }

  #leads(who: string): boolean {
    const { view, leaderBefore, scene } = this.#stage;
    if (view.leader === null) return false;
    if (who === 'any') return true;
    if (who === 'other') return view.leader !== leaderBefore;
    return select(who, scene).includes(view.leader);
  }

  #hasRole(id: string, role: NonNullable<WaitPlan['role']>): boolean {
    const node = this.#stage.view.node(id);
    if (role === 'gone') return this.#stage.fleet?.pid(id) === null;
    if (role === 'down') return node?.isUp !== true;
    if (node?.isUp !== true) return false;
    const actual = node.status?.groups[0]?.role;
    return role === 'up' || actual === role || (role === 'candidate' && actual === 'preCandidate');
  }

  async #restart({ nodes, timeoutMs }: StepOf<'restart'>): Promise<string> {
    const { fleet, view, signal } = this.#stage;
    if (fleet === null) throw new StepImpossibleError('the processes of this cluster are not the drill’s');
    const restarted: string[] = [];
    for (const id of await this.#whenSelectable(() => select(nodes, this.#stage.scene))) {
      const before = view.node(id)?.status?.bootId;
      const how = await fleet.end(id, 'SIGTERM');
      fleet.start(id);
      const isBack = (): boolean => {
        const node = view.node(id);
        return node?.isUp === true && node.status?.bootId !== before;
      };
      if (!(await view.until(isBack, timeoutMs, signal)))
        throw new StepFailedError(`${id} is not back within ${timeoutMs} ms`);
      restarted.push(`${id} (${how ?? 'it did not run'})`);
    }
    return `restarted ${restarted.join(', ')}`;
  }

  async #transfer({ to, from }: StepOf<'transferLeader'>): Promise<string> {
    const { client, view, signal } = this.#stage;
    if (from !== null && !select(from, this.#stage.scene).includes(view.leader ?? ''))
      return `${view.leader ?? 'nobody'} leads: nothing to hand over`;
    const target =
      to === null ? undefined : await this.#whenSelectable(() => selectOne(to, this.#stage.scene));
    try {
      const { from: old, to: leader, term } = await client.transferLeadership(target, { signal });
      return `${old} handed leadership to ${leader}, term ${term}`;
    } catch (error) {
      throw new StepFailedError(`leadership was not handed over: ${(error as Error).message}`);
    }
  }

  async #forEach({ variable, among, steps }: StepOf<'forEach'>): Promise<string> {
    const { variables } = this.#stage;
    const visited = new Set<string>();
    for (const selector of among) {
      for (const id of await this.#whenSelectable(() => select(selector, this.#stage.scene))) {
        if (visited.has(id)) continue;
        visited.add(id);
        variables.set(variable, id);
        await this.run(steps);
      }
    }
    variables.delete(variable);
    return `for ${[...visited].join(', ')}`;
  }

  /** Who is meant may have to be elected first. */
  async #whenSelectable<T>(choose: () => T): Promise<T> {
    const { view, signal } = this.#stage;
    let chosen: T | null = null;
    let why: NobodySelectedError | null = null;
    const attempt = (): boolean => {
      try {
        chosen ??= choose();
        return true;
      } catch (error) {
        if (!(error instanceof NobodySelectedError)) throw error;
        why = error;
        return false;
      }
    };
    if (await view.until(attempt, SELECT_TIMEOUT_MS, signal)) return chosen as T;
    if (signal.aborted) throw new StepAbortedError('the drill was aborted');
    throw why ?? new NobodySelectedError('nobody');
  }
}

const SELECT_TIMEOUT_MS = 5000;

function asStepError(error: unknown, name: string): Error {
  if (error instanceof NobodySelectedError || error instanceof FaultFailedError)
    return new StepImpossibleError(`step ${name}: ${error.message}`);
  return error instanceof Error ? error : new Error(String(error));
}

function tell(breakages: readonly Breakage[]): string {
  return breakages.map(describeBreakage).join('; ');
}

function describeWait({ leader, node, role, lag, acked }: WaitPlan): string {
  const parts = [
    leader === null ? null : `leader ${leader}`,
    node === null ? null : `${node} ${role ?? 'up'}`,
    lag === null ? null : `lag ${lag.text}`,
    acked === null ? null : `acked ${acked.text}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}
