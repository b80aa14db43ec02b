import type { Clock, TimerHandle } from '../base/ports/clock.ts';
import type { ReadRecord } from '../check/index.ts';
import { Client, type Producer } from '../client/index.ts';
import type { Measurements } from './measurements.ts';
import { payloadOf, valueOf } from './payload.ts';
import type { Recorder } from './recorder.ts';

export interface LoadPlan {
  readonly producers: number;
  /** Records a second of all producers together, whatever becomes of them; null: each keeps `inFlight` on their way. */
  readonly ratePerSecond: number | null;
  readonly inFlight: number;
  readonly recordBytes: number;
  readonly readers: number;
  readonly reads: 'linearizable' | 'committed';
  /** After so long an append is of unknown outcome. */
  readonly timeoutMs: number;
  /** Names of all records begin with it. */
  readonly tag: string;
}

interface Lane {
  readonly name: string;
  readonly producer: Producer;
  sequence: number;
}

/** How often the records that have become due are sent. */
const TICK_MS = 5;
const READ_PAUSE_MS = 50;

/** Clients that write and read through the public library, and note what they are told. */
export class Workload {
  readonly #plan: LoadPlan;
  readonly #client: Client;
  readonly #recorder: Recorder;
  readonly #measurements: Measurements;
  readonly #clock: Clock;
  readonly #zeroMs: number;
  readonly #lanes: readonly Lane[];
  readonly #onProgress: () => void;
  readonly #isOurs: (value: string) => boolean;
  readonly #stop = new AbortController();
  readonly #readers: Promise<void>[] = [];
  #timer: TimerHandle | null = null;
  #startedMs = 0;
  #sent = 0;
  #outstanding = 0;
  #onDrained: (() => void) | null = null;

  /**
   * @param isOurs which records are meant, where others write to the same cluster.
   * @param onProgress called after every answer.
   */
  constructor(
    plan: LoadPlan,
    endpoints: readonly string[],
    { clock, zeroMs }: { readonly clock: Clock; readonly zeroMs: number },
    { recorder, measurements }: { readonly recorder: Recorder; readonly measurements: Measurements },
    isOurs: (value: string) => boolean,
    onProgress: () => void,
  ) {
    this.#plan = plan;
    this.#clock = clock;
    this.#zeroMs = zeroMs;
    this.#recorder = recorder;
    this.#measurements = measurements;
    this.#onProgress = onProgress;
    this.#isOurs = isOurs;
    this.#client = new Client({ endpoints, requestTimeoutMs: plan.timeoutMs });
    this.#lanes = Array.from({ length: plan.producers }, (_, at) => ({
      name: `${plan.tag}p${at + 1}`,
      producer: this.#client.createProducer(),
      sequence: 0,
    }));
  }

  /** @param from where readers begin. */
  start(from: number): void {
    this.#startedMs = this.#nowMs();
    this.#measurements.loadBegan(this.#startedMs);
    if (this.#plan.ratePerSecond === null) {
      for (const lane of this.#lanes) {
        for (let at = 0; at < this.#plan.inFlight; at += 1) this.#send(lane, this.#nowMs());
      }
    } else this.#tick(this.#plan.ratePerSecond);
    for (let at = 0; at < this.#plan.readers; at += 1) this.#readers.push(this.#readOn(`r${at + 1}`, from));
  }

  /** Offers nothing more, and resolves when everything that was sent has its answer, or its time is up. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    this.#measurements.loadEnded(this.#nowMs());
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
      this.#lookDrained();
    });
    await Promise.all(this.#readers);
  }

  /** Whoever still waits is told that the outcome is unknown. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    for (const { producer } of this.#lanes) producer.close();
    await this.#client.close();
    await Promise.allSettled(this.#readers);
  }

  #nowMs(): number {
    return this.#clock.monotonicMs() - this.#zeroMs;
  }

  /** Open loop: what is due is sent, however slow the answers are. */
  #tick(ratePerSecond: number): void {
    const due = Math.floor(((this.#nowMs() - this.#startedMs) * ratePerSecond) / 1000);
    for (; this.#sent < due; this.#sent += 1) {
      const lane = this.#lanes[this.#sent % this.#lanes.length];
      if (lane !== undefined) this.#send(lane, this.#startedMs + (this.#sent * 1000) / ratePerSecond);
    }
    this.#timer = this.#clock.setTimer(TICK_MS, () => this.#tick(ratePerSecond));
  }

  #send(lane: Lane, intendedMs: number): void {
    lane.sequence += 1;
    const value = `${lane.name}-${lane.sequence}`;
    const operation = this.#recorder.beginAppend(lane.name, lane.sequence, value);
    this.#outstanding += 1;
    this.#measurements.offered(intendedMs);
    lane.producer.send(payloadOf(value, this.#plan.recordBytes), (error, index, term) => {
      this.#outstanding -= 1;
      if (error === null) {
        this.#recorder.endAppend(operation, { type: 'append-ok', index, term });
        this.#measurements.acknowledged(this.#nowMs(), intendedMs);
      } else {
        const type = error.outcome === 'none' ? 'append-failed' : 'append-unknown';
        this.#recorder.endAppend(operation, { type });
        this.#measurements.failed(this.#nowMs());
      }
      if (this.#plan.ratePerSecond === null && !this.#stop.signal.aborted) this.#send(lane, this.#nowMs());
      this.#lookDrained();
      this.#onProgress();
    });
  }

  #lookDrained(): void {
    if (this.#outstanding === 0) this.#onDrained?.();
  }

  /** Reads what came since the last time, again and again. */
  async #readOn(name: string, first: number): Promise<void> {
    const { signal } = this.#stop;
    let from = first;
    while (!signal.aborted) {
      from = await this.#readOnce(name, from);
      await this.#pause(READ_PAUSE_MS);
    }
  }

  /** @returns where to go on. */
  async #readOnce(name: string, from: number): Promise<number> {
    const consistency = this.#plan.reads;
    const operation = this.#recorder.beginRead(name, from, consistency);
    const records: ReadRecord[] = [];
    let type: 'read-ok' | 'read-failed' = 'read-ok';
    try {
      for await (const { index, ordinal, data } of this.#client.read({
        from,
        consistency,
        signal: this.#stop.signal,
      })) {
        const value = valueOf(data);
        if (this.#isOurs(value)) records.push({ index, ordinal, value });
      }
    } catch {
      // What it brought before counts all the same; that it did not end well is noted.
      type = 'read-failed';
    }
    this.#recorder.event({ type: 'read-page', operation, records });
    this.#recorder.event({ type, operation });
    const last = records.at(-1)?.index;
    return last === undefined || type === 'read-failed' ? from : last + 1;
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(ms, resolve);
      this.#stop.signal.addEventListener(
        'abort',
        () => {
          timer.cancel();
          resolve();
        },
        { once: true },
      );
    });
  }
}
