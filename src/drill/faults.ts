import fs from 'node:fs';
import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Prng } from '../base/prng.ts';
import type { FaultOrder, FaultReport, FaultSpec, FaultState } from '../client/index.ts';
import { flipBit } from './bit-flip.ts';
import type { Fleet } from './fleet.ts';
import { isStopped } from './process-state.ts';

/** One thing that is broken at one node, after all names were resolved. */
export type Breakage =
  /** The process ends; healing starts it again. */
  | { readonly kind: 'kill'; readonly node: string; readonly signal: 'SIGKILL' | 'SIGTERM' }
  /**
   * - `pause`: the process is stopped; healing lets it go on.
   * - `wipe`: the process ends and loses its data; healing starts it again.
   * - `flip`: the process ends, one bit of a closed segment is flipped, and it starts again.
   */
  | { readonly kind: 'pause' | 'wipe' | 'flip'; readonly node: string }
  /** The node itself breaks something, on request. */
  | { readonly kind: 'order'; readonly node: string; readonly spec: FaultSpec };

export interface FaultRecord {
  readonly id: string;
  /** Of which step. */
  readonly step: string;
  readonly node: string;
  /** Breakages that were made together, as one fault of the script, have the same. */
  readonly group: number;
  readonly breakage: Breakage;
  readonly appliedMs: number;
  healedMs: number | null;
  /** That it took hold: how often it did something, and how that is known. Null until it has. */
  proof: { readonly affected: number; readonly how: string } | null;
}

/** What the desk needs of the world; tests bring their own. */
export interface FaultParts {
  readonly clock: Clock;
  readonly nowMs: () => number;
  readonly prng: Prng;
  /** Null where the cluster is not the drill's own: then processes are out of reach. */
  readonly fleet: Pick<Fleet, 'end' | 'start' | 'signal' | 'pid' | 'dataDirectory'> | null;
  /** Gives an order to a node. @throws DledgerError */
  readonly order: (node: string, order: FaultOrder) => Promise<FaultReport>;
  /** Whoever asks for faults, for others to read. */
  readonly owner: string;
}

/** Why a fault could not be made. */
export class FaultFailedError extends Error {
  override readonly name = 'FaultFailedError';
  readonly code = 'FAULT_FAILED';
}

interface Active {
  readonly record: FaultRecord;
  /** Of the node's own. */
  readonly orderId: string | null;
  readonly timer: TimerHandle;
}

/**
 * Breaks things and mends them. Each fault ends by its time to live at the latest: those in nodes by the nodes' own
 * timers, those of processes by ours, and with us the processes end.
 */
export class FaultDesk {
  readonly records: FaultRecord[] = [];
  /** What could not be mended, for people. */
  readonly unhealed: string[] = [];
  readonly #parts: FaultParts;
  readonly #active = new Map<string, Active>();
  /** Those that mend themselves when their time is up. */
  readonly #expiring = new Set<Promise<void>>();
  #groups = 0;

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  /** Nodes of the last fault, ascending. */
  get struck(): readonly string[] {
    const last = this.records.filter(({ group }) => group === this.#groups);
    return [...new Set(last.map(({ node }) => node))].sort();
  }

  /** Nodes that are down or stand still because of a fault. */
  get absent(): ReadonlySet<string> {
    const absent = [...this.#active.values()].filter(({ record: { breakage } }) => isAbsence(breakage));
    return new Set(absent.map(({ record }) => record.node));
  }

  /** A node says why it ends: a disk that fails on request ends it before anybody can ask how often it did. */
  fatal(node: string, text: string): void {
    if (!text.includes(ON_REQUEST)) return;
    for (const record of this.records) {
      // Its last word may be here before its answer to the order.
      if (record.node !== node || record.healedMs !== null) continue;
      const { breakage } = record;
      if (breakage.kind === 'order' && breakage.spec.kind.startsWith('disk-'))
        record.proof ??= { affected: 1, how: `the node ended: ${text}` };
    }
  }

  /** Breaks several things as one fault. @throws FaultFailedError */
  async applyAll(step: string, breakages: readonly Breakage[], ttlMs: number): Promise<void> {
    this.#groups += 1;
    await Promise.all(breakages.map(async (breakage) => this.#apply(step, breakage, ttlMs)));
  }

  /** @throws FaultFailedError */
  async apply(step: string, breakage: Breakage, ttlMs: number): Promise<FaultRecord> {
    this.#groups += 1;
    return this.#apply(step, breakage, ttlMs);
  }

  /**
   * Faults that did nothing, and so show nothing. Of several cuts that make one fault some may lie where nothing goes, as
   * between two followers: they count with the others.
   */
  get unproven(): readonly FaultRecord[] {
    const proven = new Set(this.records.filter(({ proof }) => proof !== null).map(({ group }) => group));
    return this.records.filter(
      ({ proof, group, breakage }) => proof === null && !(breakage.kind === 'order' && proven.has(group)),
    );
  }

  async #apply(step: string, breakage: Breakage, ttlMs: number): Promise<FaultRecord> {
    const { clock, nowMs } = this.#parts;
    const record: FaultRecord = {
      id: `f${this.records.length + 1}`,
      step,
      node: breakage.node,
      group: this.#groups,
      breakage,
      appliedMs: nowMs(),
      healedMs: null,
      proof: null,
    };
    this.records.push(record);
    const orderId = await this.#break(record, breakage, ttlMs);
    const timer = clock.setTimer(ttlMs, () => {
      const mended = this.#mend(record.id).finally(() => this.#expiring.delete(mended));
      this.#expiring.add(mended);
    });
    this.#active.set(record.id, { record, orderId, timer });
    return record;
  }

  /** Mends those that are active and meant; never throws. */
  async heal(isMeant: (record: FaultRecord) => boolean): Promise<void> {
    const meant = [...this.#active.values()].filter(({ record }) => isMeant(record));
    await Promise.all(meant.map(async ({ record }) => this.#mend(record.id)));
  }

  async healAll(): Promise<void> {
    await this.heal(() => true);
    await Promise.all(this.#expiring);
  }

  /** What a node says of the faults in it: proof, for as long as it can say so. */
  heard(node: string, states: readonly FaultState[]): void {
    for (const state of states) {
      const record = this.records.find((each) => this.#ownerOf(each) === state.owner);
      if (record?.node === node) prove(record, state);
    }
  }

  /** Another one for each fault: the ids that nodes give begin anew with each process. */
  #ownerOf({ id }: FaultRecord): string {
    return `${this.#parts.owner} ${id}`;
  }

  async #break(record: FaultRecord, breakage: Breakage, ttlMs: number): Promise<string | null> {
    if (breakage.kind === 'order') return this.#order(record, breakage, ttlMs);
    const { fleet } = this.#parts;
    const { node } = breakage;
    if (fleet === null)
      throw new FaultFailedError(
        `${breakage.kind} ${node}: the processes of this cluster are not the drill's`,
      );
    if (breakage.kind === 'pause') {
      const { pid } = this.#running(node);
      fleet.signal(node, 'SIGSTOP');
      if (await this.#waitStopped(pid)) record.proof = { affected: 1, how: `process ${pid} stands still` };
      return null;
    }
    const signal = breakage.kind === 'kill' ? breakage.signal : 'SIGKILL';
    // What is already down can lose its data all the same.
    const pid = breakage.kind === 'wipe' ? null : this.#running(node).pid;
    const how = await fleet.end(node, signal);
    if (breakage.kind === 'kill') record.proof = { affected: 1, how: `process ${pid} ended: ${how}` };
    else if (breakage.kind === 'wipe') this.#wipe(record, fleet.dataDirectory(node));
    else this.#flip(record, fleet.dataDirectory(node));
    if (breakage.kind === 'flip') fleet.start(node);
    return null;
  }

  #running(node: string): { pid: number } {
    const pid = this.#parts.fleet?.pid(node) ?? null;
    if (pid === null) throw new FaultFailedError(`${node} does not run`);
    return { pid };
  }

  /** The signal is sent; when the system has carried it out is up to it. */
  async #waitStopped(pid: number): Promise<boolean> {
    const { clock } = this.#parts;
    const endMs = clock.monotonicMs() + STOP_WAIT_MS;
    for (;;) {
      if (await isStopped(pid)) return true;
      if (clock.monotonicMs() >= endMs) return false;
      await new Promise<void>((resolve) => clock.setTimer(1, resolve));
    }
  }

  #wipe(record: FaultRecord, directory: string): void {
    const files = fs.existsSync(directory) ? fs.readdirSync(directory).length : 0;
    fs.rmSync(directory, { recursive: true, force: true });
    if (files > 0 && !fs.existsSync(directory))
      record.proof = { affected: files, how: `${files} files are gone` };
  }

  #flip(record: FaultRecord, directory: string): void {
    const flipped = flipBit(directory, this.#parts.prng);
    if (flipped === null) return;
    const { file, position, bit, index } = flipped;
    record.proof = { affected: 1, how: `bit ${bit} of byte ${position} in ${file}, of entry ${index}` };
  }

  async #order(
    record: FaultRecord,
    { node, spec }: Extract<Breakage, { kind: 'order' }>,
    ttlMs: number,
  ): Promise<string | null> {
    const owner = this.#ownerOf(record);
    try {
      const { added } = await this.#parts.order(node, { op: 'add', spec, ttlMs: Math.ceil(ttlMs), owner });
      return added;
    } catch (error) {
      throw new FaultFailedError(`${node} does not take the fault ${spec.kind}: ${textOf(error)}`);
    }
  }

  async #mend(id: string): Promise<void> {
    const active = this.#active.get(id);
    if (active === undefined) return;
    const { record, orderId, timer } = active;
    timer.cancel();
    this.#active.delete(id);
    try {
      if (record.breakage.kind === 'order') await this.#clear(record, orderId);
      else if (record.breakage.kind === 'pause') this.#parts.fleet?.signal(record.node, 'SIGCONT');
      else this.#parts.fleet?.start(record.node);
    } catch (error) {
      this.unhealed.push(`${record.id} at ${record.node}: ${textOf(error)}`);
    }
    record.healedMs = this.#parts.nowMs();
  }

  /** A node whose process ended has no faults any more. */
  async #clear(record: FaultRecord, orderId: string | null): Promise<void> {
    const { fleet, order } = this.#parts;
    if (fleet !== null && fleet.pid(record.node) === null) return;
    const { active, ended } = await order(record.node, { op: 'clear', id: orderId });
    this.heard(record.node, [...active, ...ended]);
  }
}

const STOP_WAIT_MS = 1000;
/** How errors of a disk are marked that is sick because somebody asked for it. */
const ON_REQUEST = 'on request';

function prove(record: FaultRecord, { affected, spec }: FaultState): void {
  if (affected > 0)
    record.proof = { affected, how: `${spec.kind}: the node counted ${Math.round(affected)}` };
}

function isAbsence({ kind }: Breakage): boolean {
  return kind === 'kill' || kind === 'pause' || kind === 'wipe';
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
