import { Load } from './load.ts';
import type { Failover, FailoverSystem, Parts } from './system.ts';

export interface Gaps {
  /** Milliseconds between the last acknowledgement before and the first after, one for each round. */
  readonly gapsMs: readonly number[];
  /** Of the rounds whose events all came in. */
  readonly parts: readonly Parts[];
}

const ACKS_AROUND = 200;

/**
 * Writes one record after the other and ends the leader's reign again and again. What counts is what a client sees: the
 * longest time without an acknowledgement around each event. Each round begins with a whole cluster, every follower
 * caught up; a server that was stopped goes on once its successor has acknowledged two hundred records.
 */
export async function measureFailover(
  system: FailoverSystem,
  how: Failover,
  rounds: number,
  progress: (round: number) => void,
): Promise<Gaps> {
  const load = new Load(system.send);
  const gapsMs: number[] = [];
  const parts: Parts[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      progress(round);
      await system.settled();
      await load.acknowledged(ACKS_AROUND);
      const eventMs = performance.now();
      const mend = await system.end(how);
      await load.acknowledged(ACKS_AROUND);
      const gap = load.longestGap(eventMs);
      gapsMs.push(gap.toMs - gap.fromMs);
      const found = system.partsSince(eventMs, (ms) => load.firstAckAfter(ms));
      if (found !== null) parts.push(found);
      mend();
    }
  } finally {
    load.stop();
  }
  return { gapsMs, parts };
}
