/** What did not hold of a group's consumption. */
export interface ConsumptionViolation {
  readonly rule: ConsumptionRule;
  /** With queues, offsets and names. */
  readonly text: string;
}

export type ConsumptionRule =
  /** A record that a producer was told is stored was never delivered. */
  | 'never-consumed'
  /** An acknowledged record is not at the offset that its producer was told. */
  | 'offset-holds-another'
  /** One record at two offsets: a retry was stored again. */
  | 'stored-at-two-offsets'
  /** A member did not begin where the position stood, or left records out. */
  | 'skipped'
  /** Records of one queue came in another order than their offsets. */
  | 'out-of-order'
  /** A record came again although a position beyond it had been committed before the hand-over. */
  | 'committed-work-repeated'
  /** A queue was handed over at a position below one whose commit had been acknowledged. */
  | 'position-went-back'
  /** A member delivered from a queue that it did not have. */
  | 'not-assigned';

/** A record as far as the check is concerned: its text or a digest, given to the cluster once in a history. */
export type RecordValue = string;

interface QueueFacts {
  /** By offset: what anybody said is there. */
  readonly values: Map<number, RecordValue>;
  /** Offsets that a producer was told. */
  readonly acknowledged: Set<number>;
  readonly delivered: Set<number>;
  /** Highest position whose commit was acknowledged. */
  committed: number;
  /** Members that have the queue, as far as they know, and the offset each delivers next. */
  readonly holders: Map<string, Holder>;
}

interface Holder {
  /** Null: wherever it begins, for there was no position. */
  next: number | null;
  /** Position committed and acknowledged before it was given the queue: nothing below comes again. */
  readonly committedBefore: number;
}

/**
 * Checks what one consumer group did against what it was promised: every record at least once, each queue in order,
 * nothing left out, and nothing again that had been committed when the queue was handed over. Told events in the order
 * in which they happened, as those who took part saw them; a member here is one membership, not a process.
 *
 * Positions must not be moved back on purpose in a history that is checked, and consumers must not filter.
 */
export class ConsumptionCheck {
  readonly #queues = new Map<number, QueueFacts>();
  readonly #places = new Map<RecordValue, string>();
  readonly #violations: ConsumptionViolation[] = [];
  #undelivered = 0;

  /** Records that were acknowledged and that nobody got yet. */
  get undelivered(): number {
    return this.#undelivered;
  }

  /** A producer was told that its batch is stored. */
  acknowledged(queue: number, baseOffset: number, values: readonly RecordValue[]): void {
    const facts = this.#facts(queue);
    for (const [at, value] of values.entries()) {
      this.#holds(queue, baseOffset + at, value);
      if (!facts.delivered.has(baseOffset + at)) this.#undelivered += 1;
      facts.acknowledged.add(baseOffset + at);
    }
  }

  /** A member learned that the queue is its own now. `position`: null where nothing was committed. */
  assigned(member: string, queue: number, position: number | null): void {
    const facts = this.#facts(queue);
    if ((position ?? 0) < facts.committed) {
      const stands = `position ${position ?? 'none'}, although ${facts.committed} had been committed`;
      this.#say('position-went-back', `queue ${queue} was given to ${member} at ${stands}`);
    }
    facts.holders.set(member, { next: position, committedBefore: facts.committed });
  }

  /** A member gave the queue up, or stopped being one. */
  revoked(member: string, queue: number): void {
    this.#facts(queue).holders.delete(member);
  }

  /** The application got the record. */
  delivered(member: string, queue: number, offset: number, value: RecordValue): void {
    const facts = this.#facts(queue);
    this.#holds(queue, offset, value);
    if (facts.acknowledged.has(offset) && !facts.delivered.has(offset)) this.#undelivered -= 1;
    facts.delivered.add(offset);
    const holder = facts.holders.get(member);
    if (holder === undefined) {
      this.#say('not-assigned', `${member} delivered ${queue}:${offset}`);
      return;
    }
    if (offset < holder.committedBefore) {
      const before = `${holder.committedBefore} had been committed before it got the queue`;
      this.#say('committed-work-repeated', `${member} delivered ${queue}:${offset}, ${before}`);
    }
    if (holder.next !== null && offset > holder.next)
      this.#say('skipped', `${member} delivered ${queue}:${offset}, ${holder.next} was next`);
    if (holder.next !== null && offset < holder.next)
      this.#say('out-of-order', `${member} delivered ${queue}:${offset}, ${holder.next} was next`);
    holder.next = offset + 1;
  }

  /** A member, or somebody while there was none, was told that its commit took effect. */
  committed(queue: number, position: number): void {
    const facts = this.#facts(queue);
    facts.committed = Math.max(facts.committed, position);
  }

  /**
   * All has been read. `firstOffsets`: where retention or the members' choice made them begin, by queue; 0 elsewhere.
   * @returns everything that did not hold; empty where the group got what it was promised.
   */
  end(firstOffsets: ReadonlyMap<number, number> = new Map()): readonly ConsumptionViolation[] {
    for (const [queue, { acknowledged, delivered, values }] of this.#queues) {
      const first = firstOffsets.get(queue) ?? 0;
      for (const offset of acknowledged) {
        if (offset >= first && !delivered.has(offset))
          this.#say('never-consumed', `${queue}:${offset} ${JSON.stringify(values.get(offset))}`);
      }
    }
    return this.#violations;
  }

  #holds(queue: number, offset: number, value: RecordValue): void {
    const { values } = this.#facts(queue);
    const known = values.get(offset);
    if (known === value) return;
    if (known !== undefined) {
      const both = `${JSON.stringify(known)} and ${JSON.stringify(value)}`;
      this.#say('offset-holds-another', `${queue}:${offset} was said to hold ${both}`);
      return;
    }
    values.set(offset, value);
    const place = `${queue}:${offset}`;
    const other = this.#places.get(value);
    if (other === undefined) this.#places.set(value, place);
    else this.#say('stored-at-two-offsets', `${JSON.stringify(value)} is at ${other} and at ${place}`);
  }

  #facts(queue: number): QueueFacts {
    let facts = this.#queues.get(queue);
    if (facts === undefined) {
      facts = {
        values: new Map(),
        acknowledged: new Set(),
        delivered: new Set(),
        committed: 0,
        holders: new Map(),
      };
      this.#queues.set(queue, facts);
    }
    return facts;
  }

  #say(rule: ConsumptionRule, text: string): void {
    this.#violations.push({ rule, text });
  }
}
