import { audit } from './audit.ts';
import type { Drill } from './drill.ts';
import { describeBreakage } from './breakages.ts';
import type { Findings } from './findings.ts';
import type { JournalStep } from './journal.ts';
import { holds, showAmount } from './quantities.ts';
import type { Stage } from './stage.ts';
import { StepAbortedError, StepFailedError, StepRunner } from './steps.ts';

export interface DrillProgress {
  readonly atMs: number;
  readonly phase: 'start' | 'steady' | 'steps' | 'heal' | 'verify';
  /** Name of the step that begins; null where none does. */
  readonly step: string | null;
  readonly text: string;
  readonly leader: string | null;
  readonly acked: number;
}

/** What a run came to, before its expectations were looked at. */
export interface Outcome {
  readonly steps: readonly JournalStep[];
  readonly findings: Findings;
  /** What the cluster did not do in time. */
  readonly failures: readonly string[];
  /** Why the drill could not show what it should. */
  readonly doubts: readonly string[];
  /** Why it was ended early; null if it was not. */
  readonly aborted: string | null;
}

const FOUNDED_TIMEOUT_MS = 30_000;
const CONVERGED_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 10_000;
const STEADY_ATTEMPTS = 3;
const FOREVER_MS = 2 ** 31;
/** Closed loops have no rate to be held against. */
const CLOSED_LOOP_FLOOR = 1;

/** One run of a drill on a stage that is set. */
export class DrillRun {
  readonly #drill: Drill;
  readonly #stage: Stage;
  readonly #onProgress: (progress: DrillProgress) => void;
  readonly #failures: string[] = [];
  readonly #doubts: string[] = [];
  readonly #steps: StepRunner;
  #phase: DrillProgress['phase'] = 'start';
  #aborted: string | null = null;
  #steadyMs = 0;
  #steadyTerm = 0;

  constructor(drill: Drill, stage: Stage, onProgress: (progress: DrillProgress) => void) {
    this.#drill = drill;
    this.#stage = stage;
    this.#onProgress = onProgress;
    this.#steps = new StepRunner(stage, ({ name, kind }) => this.#say(kind, name));
  }

  async run(): Promise<Outcome> {
    const stage = this.#stage;
    this.#say('waiting for the cluster');
    const isReady = await this.#founded();
    const watch = this.#watchAbort();
    try {
      if (isReady && (await this.#steady())) await this.#runSteps();
    } finally {
      watch();
      this.#phase = 'heal';
      this.#say('mending everything');
      await stage.desk.healAll();
    }
    if (stage.signal.aborted) this.#aborted ??= String(stage.signal.reason);
    const findings = await this.#verify();
    this.#doubtFaults();
    return {
      steps: this.#steps.done,
      findings,
      failures: this.#failures,
      doubts: this.#doubts,
      aborted: this.#aborted,
    };
  }

  /** Whoever is to take part is there, and somebody leads. */
  async #founded(): Promise<boolean> {
    const { view, fleet, signal, ids } = this.#stage;
    const isFounded = (): boolean => {
      const { nodes } = view;
      const isComplete = fleet === null ? nodes.length > 0 : nodes.length === ids.length;
      return view.leader !== null && isComplete && nodes.every(({ isUp }) => isUp) && view.lag === 0;
    };
    if (await view.until(isFounded, FOUNDED_TIMEOUT_MS, signal)) {
      if (fleet === null) this.#stage.firstIndex = (view.group(view.leader ?? '')?.commitIndex ?? 0) + 1;
      return true;
    }
    if (!signal.aborted) this.#doubts.push(`no healthy cluster within ${FOUNDED_TIMEOUT_MS} ms`);
    return false;
  }

  /**
   * Loads the cluster while nothing is broken: what follows is held against that. Processes that have just started, on a
   * machine that has other things to do, get a second and a third chance to be steady.
   */
  async #steady(): Promise<boolean> {
    const { workload, signal } = this.#stage;
    this.#phase = 'steady';
    workload.start(this.#stage.firstIndex);
    let why: string[] = [];
    for (let attempt = 1; attempt <= STEADY_ATTEMPTS && !signal.aborted; attempt += 1) {
      const again = attempt === 1 ? '' : `, again: ${why.join('; ')}`;
      this.#say(`load for ${this.#drill.steady.forMs} ms, with nothing broken${again}`);
      why = await this.#unsteady();
      if (why.length === 0) return !signal.aborted;
    }
    this.#doubts.push(...why.map((each) => `before anything was broken ${each}`));
    return false;
  }

  /** @returns what was not as it should be, for so long as the script says. */
  async #unsteady(): Promise<string[]> {
    const { view, measurements, recorder, signal } = this.#stage;
    const { steady, load } = this.#drill;
    const errors = (): number => recorder.failed + recorder.unknown;
    const [ackedBefore, errorsBefore] = [measurements.acked, errors()];
    const first = await view.until(() => measurements.acked > ackedBefore, SETTLE_TIMEOUT_MS, signal);
    if (!first) return ['nothing was acknowledged'];
    this.#steadyMs = this.#stage.nowMs();
    this.#steadyTerm = view.term;
    await this.#stage.pause(steady.forMs);
    const why: string[] = [];
    const { lag, errorRate } = steady;
    const isClose = (): boolean => lag === null || (view.lag !== null && holds(lag, view.lag));
    if (lag !== null && !(await view.until(isClose, SETTLE_TIMEOUT_MS, signal)))
      why.push(`the lag was ${view.lag ?? 'unknown'}, expected ${lag.text}`);
    const rate = measurements.rateBetween(this.#steadyMs, this.#stage.nowMs());
    const floor = load.rate === null ? CLOSED_LOOP_FLOOR : load.rate * load.floor;
    if (rate < floor)
      why.push(
        `${rate.toFixed(0)} records a second were acknowledged, at least ${floor.toFixed(0)} are needed`,
      );
    if (steady.leaderStable && view.term !== this.#steadyTerm)
      why.push(`the term went from ${this.#steadyTerm} to ${view.term}`);
    const failed = errors() - errorsBefore;
    const share = failed / Math.max(1, failed + measurements.acked - ackedBefore);
    if (errorRate !== null && !holds(errorRate, share))
      why.push(`${showAmount(share, 'share')} of the answers were errors, expected ${errorRate.text}`);
    this.#steadyTerm = view.term;
    return why;
  }

  async #runSteps(): Promise<void> {
    this.#phase = 'steps';
    try {
      await this.#steps.run(this.#drill.steps);
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof StepFailedError) this.#failures.push(message);
      else if (!(error instanceof StepAbortedError)) this.#doubts.push(message);
    }
  }

  /** Looks for the reason to give up that the script names. @returns what ends the looking. */
  #watchAbort(): () => void {
    const { abort } = this.#drill;
    if (abort === null) return () => undefined;
    const { view, measurements, signal } = this.#stage;
    const isTime = (): boolean => {
      const observed =
        abort.metric === 'unavailability' ? measurements.silentFor(this.#stage.nowMs()) : view.diskUsed;
      if (observed === null || !holds(abort.comparison, observed)) return false;
      this.#stage.abort(`${abort.metric} ${abort.comparison.text}: ${observed}`);
      return true;
    };
    const ended = new AbortController();
    void view.until(isTime, FOREVER_MS, AbortSignal.any([ended.signal, signal]));
    return () => ended.abort();
  }

  /** Everything is mended: nodes that ended by themselves come back too, so that all logs can be looked at. */
  async #verify(): Promise<Findings> {
    const stage = this.#stage;
    const { fleet, workload, view } = stage;
    for (const id of stage.ids) fleet?.start(id);
    const healthy = (): boolean => view.leader !== null && view.nodes.every(({ isUp }) => isUp);
    await view.until(healthy, CONVERGED_TIMEOUT_MS);
    this.#phase = 'verify';
    this.#say('waiting for the last answers');
    await workload.stop();
    const converged = await stage.converged(CONVERGED_TIMEOUT_MS);
    if (converged === null)
      this.#failures.push(
        `the nodes did not agree within ${CONVERGED_TIMEOUT_MS} ms after everything was mended`,
      );
    const commitIndex = Math.max(0, ...stage.ids.map((id) => view.group(id)?.commitIndex ?? 0));
    // What the nodes do while they are ended is no part of the drill.
    view.close();
    const endMs = stage.nowMs();
    this.#say('comparing what every node holds with what clients were told');
    const finalTerm = view.term;
    const found = await audit(stage, converged?.commitIndex ?? commitIndex);
    const { measurements, desk, deaths } = stage;
    return {
      ...found,
      measurements,
      faults: desk.records,
      leaders: view.leaders,
      events: view.events,
      regressions: view.regressions,
      deaths,
      steadyMs: this.#steadyMs,
      steadyTerm: this.#steadyTerm,
      finalTerm,
      endMs,
    };
  }

  /** A fault that did nothing shows nothing. */
  #doubtFaults(): void {
    for (const { id, step, breakage } of this.#stage.desk.unproven)
      this.#doubts.push(`fault ${id} of step ${step} did not take hold: ${describeBreakage(breakage)}`);
  }

  #say(text: string, step: string | null = null): void {
    const { view, measurements } = this.#stage;
    const atMs = this.#stage.nowMs();
    this.#onProgress({
      atMs,
      phase: this.#phase,
      step,
      text,
      leader: view.leader,
      acked: measurements.acked,
    });
  }
}
