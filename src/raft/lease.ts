/**
 * A leader's lease at a node that follows it: while it was heard within the shortest election timeout, nobody else is
 * helped to its place (dissertation 4.2.3). So a node that was cut off for a while, or is about to be removed, cannot
 * depose a leader that a majority is content with. Nothing is read by this lease; losing it costs nobody safety.
 */
export class LeaderLease {
  readonly #lengthTicks: number;
  #silentTicks = 0;
  #held = false;

  constructor(lengthTicks: number) {
    this.#lengthTicks = lengthTicks;
  }

  /** Ticks since the leader was last heard. */
  get silentTicks(): number {
    return this.#silentTicks;
  }

  get holds(): boolean {
    return this.#held && this.#silentTicks < this.#lengthTicks;
  }

  renew(): void {
    this.#held = true;
    this.#silentTicks = 0;
  }

  drop(): void {
    this.#held = false;
  }

  tick(): void {
    this.#silentTicks += 1;
  }
}
