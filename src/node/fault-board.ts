import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { Prng } from '../base/prng.ts';
import type { NodeId } from '../base/units.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';
import type { DiskFaults } from './sick-disk.ts';
import type { ClockFaults } from './skewed-clock.ts';
import type { Lane } from './peer-link.ts';
import type { FaultOrder, FaultReport, FaultSpec, FaultState } from '../wire/fault-schema.ts';

/** What a fault does to messages. Asked for each one, so quiet boards say so with one flag. */
export interface LinkFaults {
  /** Nothing is broken between this node and any other. */
  readonly isQuiet: boolean;
  /** What becomes of a message to this peer: null where it is lost, else milliseconds that it waits. */
  outbound(peer: NodeId, lane: Lane, bytes: number): number | null;
  /** Whether a message that came from this peer is lost. */
  losesInbound(peer: NodeId): boolean;
  /** Whether connections with this peer are refused. */
  refuses(peer: NodeId): boolean;
}

export interface FaultBoardParts {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly isAllowed: boolean;
  readonly enter: () => void;
  /** Members that a fault may name. */
  readonly isPeer: (id: NodeId) => boolean;
  readonly stall: () => void;
  readonly resume: () => void;
  /** Breaks all connections with a peer. @returns how many. */
  readonly breakLinks: (peer: NodeId) => number;
  readonly onChanged: (code: 'fault-added' | 'fault-ended', text: string, fault: FaultState) => void;
}

interface Fault {
  readonly id: string;
  readonly owner: string;
  readonly spec: FaultSpec;
  readonly ttlMs: number;
  readonly addedAtMs: number;
  readonly timer: TimerHandle;
  affected: number;
  /** Of a delay: when the message before leaves, so that they leave in order. */
  lastLeavesMs: number;
  /** Of a throttle: when each lane has carried what it was given. */
  readonly laneFreeMs: Record<Lane, number>;
}

const FAULTS_MAX = 64;
const ENDED_KEPT_MAX = 64;

/**
 * What is broken here on request. Each fault ends by itself: the time to live is this node's own timer, so a drill
 * that dies leaves nothing broken behind.
 */
export class FaultBoard implements LinkFaults, DiskFaults, ClockFaults {
  readonly #parts: FaultBoardParts;
  readonly #active = new Map<string, Fault>();
  readonly #ended: FaultState[] = [];
  #isQuiet = true;
  #isDiskWell = true;
  #isClockRight = true;
  #count = 0;

  constructor(parts: FaultBoardParts) {
    this.#parts = parts;
  }

  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  get isDiskWell(): boolean {
    return this.#isDiskWell;
  }

  get active(): readonly FaultState[] {
    return [...this.#active.values()].map((fault) => this.#state(fault));
  }

  carryOut(order: FaultOrder): FaultReport | ErrorInfo {
    if (!this.#parts.isAllowed && order.op === 'add') {
      return errorInfo(
        'FAULT_REFUSED',
        'this node was started without --allow-faults: it breaks nothing on request',
      );
    }
    const added = order.op === 'add' ? this.#add(order) : null;
    if (added !== null && typeof added !== 'string') return added;
    if (order.op === 'clear') {
      for (const fault of this.#active.values())
        if (order.id === null || order.id === fault.id) this.#end(fault, 'cleared');
    }
    return { added, active: this.active, ended: [...this.#ended] };
  }

  /** The node ends: so do its faults. */
  close(): void {
    for (const fault of this.#active.values()) fault.timer.cancel();
    this.#active.clear();
    this.#settle();
  }

  outbound(peer: NodeId, lane: Lane, bytes: number): number | null {
    let delayMs = 0;
    const nowMs = this.#parts.clock.monotonicMs();
    for (const fault of this.#active.values()) {
      const { spec } = fault;
      if (spec.kind === 'drop' && spec.peer === peer && spec.direction !== 'in' && this.#loses(spec)) {
        fault.affected += 1;
        return null;
      }
      if (spec.kind === 'delay' && spec.peer === peer) {
        const leavesMs = nowMs + spec.delayMs + this.#parts.prng.fraction() * spec.jitterMs;
        fault.lastLeavesMs = Math.max(fault.lastLeavesMs, leavesMs);
        fault.affected += 1;
        delayMs = Math.max(delayMs, fault.lastLeavesMs - nowMs);
      }
      if (spec.kind === 'throttle' && spec.peer === peer) {
        const beginsMs = Math.max(nowMs, fault.laneFreeMs[lane]);
        fault.laneFreeMs[lane] = beginsMs + (bytes * 1000) / spec.bytesPerSecond;
        fault.affected += 1;
        delayMs = Math.max(delayMs, fault.laneFreeMs[lane] - nowMs);
      }
    }
    return delayMs;
  }

  losesInbound(peer: NodeId): boolean {
    for (const fault of this.#active.values()) {
      const { spec } = fault;
      if (spec.kind === 'drop' && spec.peer === peer && spec.direction !== 'out' && this.#loses(spec)) {
        fault.affected += 1;
        return true;
      }
    }
    return false;
  }

  refuses(peer: NodeId): boolean {
    for (const fault of this.#active.values()) {
      const { spec } = fault;
      if (spec.kind === 'drop' && spec.peer === peer && spec.mode === 'refuse') {
        fault.affected += 1;
        return true;
      }
    }
    return false;
  }

  syncDelayMs(): number {
    let delayMs = 0;
    for (const fault of this.#active.values()) {
      if (fault.spec.kind !== 'disk-slow') continue;
      fault.affected += 1;
      delayMs = Math.max(delayMs, fault.spec.delayMs + this.#parts.prng.fraction() * fault.spec.jitterMs);
    }
    return delayMs;
  }

  failsSync(): boolean {
    return this.#strikes('disk-sync-error');
  }

  isFull(): boolean {
    return this.#strikes('disk-full');
  }

  wallOffsetMs(): number {
    let offsetMs = 0;
    if (this.#isClockRight) return offsetMs;
    for (const fault of this.#active.values()) {
      if (fault.spec.kind !== 'clock') continue;
      fault.affected += 1;
      offsetMs += fault.spec.offsetMs;
    }
    return offsetMs;
  }

  #strikes(kind: FaultSpec['kind']): boolean {
    const fault = [...this.#active.values()].find(({ spec }) => spec.kind === kind);
    if (fault === undefined) return false;
    fault.affected += 1;
    return true;
  }

  #loses(spec: Extract<FaultSpec, { kind: 'drop' }>): boolean {
    if (spec.mode !== 'blackhole') return spec.mode === 'refuse';
    return spec.share === 1 || this.#parts.prng.chance(spec.share);
  }

  /** @returns its id. */
  #add({ spec, ttlMs, owner }: Extract<FaultOrder, { op: 'add' }>): string | ErrorInfo {
    const parts = this.#parts;
    if (this.#active.size >= FAULTS_MAX)
      return errorInfo(
        'FAULT_REFUSED',
        `${this.#active.size} faults are active here already: clear some first`,
      );
    if ('peer' in spec && !parts.isPeer(spec.peer))
      return errorInfo('FAULT_REFUSED', `${spec.peer} is no other member of this cluster`);
    this.#count += 1;
    const fault: Fault = {
      id: `f${this.#count}`,
      owner,
      spec,
      ttlMs,
      addedAtMs: parts.clock.monotonicMs(),
      timer: parts.clock.setTimer(ttlMs, () => {
        parts.enter();
        this.#end(fault, 'ran out');
      }),
      affected: 0,
      lastLeavesMs: 0,
      laneFreeMs: { control: 0, bulk: 0 },
    };
    this.#active.set(fault.id, fault);
    this.#settle();
    parts.onChanged(
      'fault-added',
      `${describeFault(spec)} for ${ttlMs} ms, asked for by ${owner}`,
      this.#state(fault),
    );
    if (spec.kind === 'stall') parts.stall();
    if (spec.kind === 'drop' && spec.mode !== 'blackhole') fault.affected += parts.breakLinks(spec.peer);
    return fault.id;
  }

  #end(fault: Fault, how: string): void {
    if (!this.#active.delete(fault.id)) return;
    fault.timer.cancel();
    const ended = { ...this.#state(fault), remainingMs: 0 };
    this.#ended.push(ended);
    if (this.#ended.length > ENDED_KEPT_MAX) this.#ended.shift();
    this.#settle();
    if (fault.spec.kind === 'stall' && !this.#hasStall()) this.#parts.resume();
    this.#parts.onChanged(
      'fault-ended',
      `${describeFault(fault.spec)}: ${how}, ${ended.affected} ${fault.spec.kind === 'stall' ? 'ms' : 'times'}`,
      ended,
    );
  }

  #hasStall(): boolean {
    return [...this.#active.values()].some((fault) => fault.spec.kind === 'stall');
  }

  #settle(): void {
    const kinds = [...this.#active.values()].map(({ spec }) => spec.kind);
    this.#isQuiet = !kinds.some((kind) => kind === 'drop' || kind === 'delay' || kind === 'throttle');
    this.#isClockRight = !kinds.includes('clock');
    this.#isDiskWell = !kinds.some((kind) => kind.startsWith('disk-'));
  }

  #state(fault: Fault): FaultState {
    const ageMs = Math.round(this.#parts.clock.monotonicMs() - fault.addedAtMs);
    return {
      id: fault.id,
      owner: fault.owner,
      spec: fault.spec,
      ttlMs: fault.ttlMs,
      remainingMs: Math.max(0, fault.ttlMs - ageMs),
      affected: fault.spec.kind === 'stall' ? Math.min(ageMs, fault.ttlMs) : fault.affected,
    };
  }
}

/** In words, as a person would say it of this node. */
export function describeFault(spec: FaultSpec): string {
  switch (spec.kind) {
    case 'stall':
      return 'stands still';
    case 'drop': {
      const way = { in: `from ${spec.peer}`, out: `to ${spec.peer}`, both: `to and from ${spec.peer}` }[
        spec.direction
      ];
      if (spec.mode === 'reset') return `breaks its connections with ${spec.peer}`;
      if (spec.mode === 'refuse') return `refuses connections with ${spec.peer}`;
      return spec.share === 1
        ? `loses all messages ${way}`
        : `loses ${spec.share * 100} % of the messages ${way}`;
    }
    case 'delay':
      return `holds messages to ${spec.peer} back by ${spec.delayMs} to ${spec.delayMs + spec.jitterMs} ms`;
    case 'throttle':
      return `sends ${spec.peer} no more than ${spec.bytesPerSecond} bytes a second`;
    case 'disk-slow':
      return `has syncs that take ${spec.delayMs} to ${spec.delayMs + spec.jitterMs} ms longer`;
    case 'disk-sync-error':
      return 'has syncs that fail';
    case 'disk-full':
      return 'has a full disk';
    case 'clock':
      return `has a clock that is ${Math.abs(spec.offsetMs)} ms ${spec.offsetMs < 0 ? 'behind' : 'ahead'}`;
  }
}
