import { Prng } from '../base/prng.ts';
import type { PlannedClient, Scenario } from './scenario.ts';
import type { Failure, SimulationResult } from './simulation.ts';

export interface ShrinkOptions {
  /** Runs a candidate. */
  readonly run: (scenario: Scenario) => SimulationResult;
  /** Asked before each run: what was found by then is the result. */
  readonly isOver: () => boolean;
  /** Told of each step that made it smaller. */
  readonly onStep?: (scenario: Scenario, runs: number) => void;
}

export interface Shrunk {
  readonly scenario: Scenario;
  /** The run of that scenario. */
  readonly result: SimulationResult;
  /** Candidates tried. */
  readonly runs: number;
  /** Nothing more could be left out; false where time ran out before. */
  readonly isMinimal: boolean;
}

/** How much there is to read in a scenario. */
export interface ScenarioSize {
  readonly nodes: number;
  readonly faults: number;
  readonly clients: number;
  readonly operations: number;
  readonly safetyMs: number;
}

/**
 * A candidate that does not fail may do so under another chance: leaving something out shifts the delays of all that
 * comes after it, and a race that was lost before is won. So each is tried with as many seeds, once what goes without
 * that is gone: while a scenario is large its runs are slow.
 */
const ATTEMPTS = [1, 4];
/** So long a cluster is left to be founded, before anything is done to it. */
const BEGINNING_MS = 500;
/** Make sense together only. */
const TIMING = ['heartbeatMs', 'electionTimeoutMsMin', 'electionTimeoutMsMax'];

export function sizeOf({ size, faults, clients, safetyMs }: Scenario): ScenarioSize {
  const operations = clients.reduce((sum, client) => sum + client.operations.length, 0);
  return { nodes: size, faults: faults.length, clients: clients.length, operations, safetyMs };
}

/**
 * What must stay the same while a scenario shrinks: the rule that is broken; and where that is many things under one
 * name, also which of them.
 */
export function signatureOf({ rule, message }: Failure): string {
  switch (rule) {
    case 'invariant':
    case 'exception':
      return `${rule}: ${message.replace(/\bn\d+\b|\d+/g, '#').replace(/:.*/s, '')}`;
    case 'node-ended':
      return `${rule}: ${/: ([A-Z_]+)/.exec(message)?.[1] ?? message}`;
    default:
      return rule;
  }
}

/** Leaves out of a failing scenario what it fails without: delta debugging (Zeller, Hildebrandt 2002) over all its parts. */
export function shrink(failed: SimulationResult, options: ShrinkOptions): Shrunk {
  return new Shrinking(failed, options).run();
}

class Shrinking {
  readonly #options: ShrinkOptions;
  readonly #signatures: ReadonlySet<string>;
  #best: SimulationResult;
  #runs = 0;
  #attempts = 1;

  constructor(failed: SimulationResult, options: ShrinkOptions) {
    this.#options = options;
    this.#best = failed;
    this.#signatures = new Set(failed.failures.map(signatureOf));
  }

  run(): Shrunk {
    for (const attempts of ATTEMPTS) {
      this.#attempts = attempts;
      // Whatever was needed before may be superfluous once something else is gone: until a round changes nothing.
      let before: Scenario;
      do {
        before = this.#scenario;
        this.#round();
      } while (this.#scenario !== before && !this.#options.isOver());
    }
    return {
      scenario: this.#scenario,
      result: this.#best,
      runs: this.#runs,
      isMinimal: !this.#options.isOver(),
    };
  }

  #round(): void {
    this.#shortenTime();
    this.#leaveOutClients();
    this.#leaveOutFaults();
    this.#leaveOutOperations();
    this.#leaveOutNodes();
    this.#simplify();
  }

  get #scenario(): Scenario {
    return this.#best.scenario;
  }

  /** @returns whether it fails too: then it is the scenario from now on. */
  #try(candidate: Scenario): boolean {
    if (isSame(candidate, this.#scenario)) return false;
    const prng = new Prng(this.#runs + 1);
    for (let attempt = 0; attempt < this.#attempts && !this.#options.isOver(); attempt += 1) {
      const seed = attempt === 0 ? candidate.seed : prng.uint32();
      this.#runs += 1;
      const result = this.#options.run({ ...candidate, seed });
      if (!result.failures.some((failure) => this.#signatures.has(signatureOf(failure)))) continue;
      this.#best = result;
      this.#options.onStep?.(result.scenario, this.#runs);
      return true;
    }
    return false;
  }

  #shortenTime(): void {
    const { safetyMs } = this.#scenario;
    const endedMs = Math.ceil(this.#best.simulatedMs);
    if (endedMs < safetyMs && this.#try(cutAt(this.#scenario, endedMs))) return;
    for (const share of [0.1, 0.25, 0.5, 0.75, 0.9]) {
      if (this.#try(cutAt(this.#scenario, Math.ceil(safetyMs * share)))) break;
    }
    const idleMs = beginningOf(this.#scenario) - BEGINNING_MS;
    for (const share of [1, 0.5]) {
      if (idleMs * share >= BEGINNING_MS && this.#try(beginEarlier(this.#scenario, idleMs * share))) return;
    }
  }

  #leaveOutFaults(): void {
    this.#minimize(this.#scenario.faults, (faults) => ({ ...this.#scenario, faults }));
  }

  #leaveOutClients(): void {
    this.#minimize(this.#scenario.clients, (clients) => ({ ...this.#scenario, clients }));
  }

  /** Those of all clients together: often a few of each are enough. */
  #leaveOutOperations(): void {
    const all = this.#scenario.clients.flatMap(({ name, operations }) =>
      operations.map((operation) => ({ name, operation })),
    );
    this.#minimize(all, (kept) => {
      const clients = this.#scenario.clients.map((client): PlannedClient => {
        const operations = kept.filter(({ name }) => name === client.name).map(({ operation }) => operation);
        return { ...client, operations };
      });
      return { ...this.#scenario, clients };
    });
  }

  #leaveOutNodes(): void {
    for (let size = 1; size < this.#scenario.size; size += 1) {
      if (this.#try({ ...this.#scenario, size })) return;
    }
  }

  /** Puts what is odd about this world back to what is usual, one thing at a time. */
  #simplify(): void {
    const options = Object.keys(this.#scenario.node);
    for (const left of [TIMING, ...options.map((option) => [option])]) {
      const kept = Object.entries(this.#scenario.node).filter(([key]) => !left.includes(key));
      this.#try({ ...this.#scenario, node: Object.fromEntries(kept) });
    }
    const usual: Partial<Scenario>[] = [
      { network: { ...this.#scenario.network, splitChance: 0 } },
      { network: { latencyMsMin: 0.05, latencyMsMax: 0.2, splitChance: 0 } },
      { diskMsMin: 0.1, diskMsSpread: 0.2 },
      { payloadBytesMax: 0 },
      { inFlightMax: 1 },
      { timeoutMsMax: 10_000 },
      { brokenMs: 500 },
    ];
    for (const change of usual) this.#try({ ...this.#scenario, ...change });
    const { leaderShare, ...plain } = this.#scenario;
    if (leaderShare !== undefined) this.#try(plain);
  }

  /** Leaves out ever smaller stretches of a list, as long as what remains still fails. */
  #minimize<T>(items: readonly T[], withItems: (items: readonly T[]) => Scenario): void {
    let kept = items;
    if (kept.length > 0 && this.#try(withItems([]))) return;
    for (
      let length = Math.ceil(kept.length / 2);
      length >= 1;
      length = length === 1 ? 0 : Math.ceil(length / 2)
    ) {
      // From the end: what comes late is needed least often.
      for (let end = kept.length; end > 0 && !this.#options.isOver(); end -= length) {
        const rest = [...kept.slice(0, Math.max(0, end - length)), ...kept.slice(end)];
        if (rest.length > 0 && this.#try(withItems(rest))) kept = rest;
      }
    }
  }
}

/** Ends the time in which things go wrong earlier, with all that was planned for later. */
function cutAt(scenario: Scenario, safetyMs: number): Scenario {
  const clients = scenario.clients.map((client) => ({
    ...client,
    operations: client.operations.filter(({ atMs }) => atMs < safetyMs),
  }));
  return { ...scenario, safetyMs, faults: scenario.faults.filter(({ atMs }) => atMs < safetyMs), clients };
}

/** When the first thing happens. */
function beginningOf({ faults, clients }: Scenario): number {
  const planned = [...faults, ...clients.flatMap(({ operations }) => operations)];
  return planned.reduce((first, { atMs }) => Math.min(first, atMs), Infinity);
}

function beginEarlier(scenario: Scenario, byMs: number): Scenario {
  const earlier = <T extends { readonly atMs: number }>(planned: readonly T[]): T[] =>
    planned.map((each) => ({ ...each, atMs: Math.round((each.atMs - byMs) * 1000) / 1000 }));
  return {
    ...scenario,
    safetyMs: Math.ceil(scenario.safetyMs - byMs),
    faults: earlier(scenario.faults),
    clients: scenario.clients.map((client) => ({ ...client, operations: earlier(client.operations) })),
  };
}

function isSame(one: Scenario, other: Scenario): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
