import { Prng } from '../base/prng.ts';
import { FAULT_KINDS, type FaultKind, type Scenario } from './scenario.ts';
import { planAppends, planFaults, planReads } from './swarm.ts';

const FAULTS_PER_SECOND_OF_A_KIND = 0.05;

/**
 * The world in which the speed of the simulator is told: three nodes, as they are by default on a fast network and disk,
 * and clients that do 50 operations a second, 40 appends and 10 reads. Always the same, with the same plans.
 * @param withFaults each kind of fault once in twenty seconds, mended after one on average.
 */
export function standardScenario(seconds: number, withFaults: boolean): Scenario {
  const prng = new Prng(1);
  const safetyMs = seconds * 1000;
  const perSecond = Object.fromEntries(
    FAULT_KINDS.map((kind) => [kind, withFaults ? FAULTS_PER_SECOND_OF_A_KIND : 0]),
  ) as Record<FaultKind, number>;
  return {
    seed: 1,
    size: 3,
    safetyMs,
    node: {},
    network: { latencyMsMin: 0.05, latencyMsMax: 0.2, splitChance: 0 },
    diskMsMin: 0.1,
    diskMsSpread: 0.2,
    brokenMs: 1000,
    inFlightMax: 16,
    payloadBytesMax: 256,
    timeoutMsMax: 10_000,
    faults: planFaults(prng.fork(), perSecond, safetyMs),
    clients: [
      { name: 'p1', kind: 'producer', seed: 1, operations: planAppends(prng.fork(), 20, safetyMs) },
      { name: 'p2', kind: 'producer', seed: 2, operations: planAppends(prng.fork(), 20, safetyMs) },
      { name: 'r1', kind: 'reader', seed: 3, operations: planReads(prng.fork(), 10, safetyMs) },
    ],
  };
}
