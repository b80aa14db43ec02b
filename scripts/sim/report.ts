import { GUARDS, MARKS, MARK_NAMES } from '../../src/base/marks.ts';
import type { CampaignTally } from '../../src/sim/campaign-tally.ts';
import { FAULT_KINDS } from '../../src/sim/scenario.ts';
import type { Failure } from '../../src/sim/simulation.ts';

/** One line for a terminal. @param goal what part of the campaign is done, 0 to 1. */
export function progressLine(tally: CampaignTally, elapsedMs: number, goal: number): string {
  const seconds = elapsedMs / 1000;
  const leftSeconds = goal > 0 ? (seconds / goal) * (1 - goal) : 0;
  return [
    `${count(tally.seeds)} seeds`,
    `${(tally.seeds / seconds).toFixed(1)} a second`,
    `${tally.failed.length} failed`,
    `${(tally.simulatedMs / elapsedMs).toFixed(0)} s simulated a second`,
    `${duration(leftSeconds)} left`,
  ].join(' · ');
}

export function summaryLines(tally: CampaignTally, elapsedMs: number): string[] {
  const seconds = elapsedMs / 1000;
  const simulated = tally.simulatedMs / 1000;
  const failed = tally.failed.map(({ seed }) => seed).join(' ');
  const faults = FAULT_KINDS.map((kind) => `${kind} ${count(tally.faults[kind])}`).join(', ');
  const taken = MARK_NAMES.filter((name) => tally.marks[name] > 0);
  const guards = [...GUARDS].filter((name) => tally.marks[name] === 0).length;
  return [
    `seeds             ${count(tally.seeds)}, ${tally.failed.length} failed${failed === '' ? '' : `: ${failed}`}`,
    `simulated         ${duration(simulated)} in ${duration(seconds)}: ${(simulated / seconds).toFixed(0)} s a second`,
    `events            ${count(tally.events)}: ${count(tally.events / seconds)} a second`,
    `client operations ${count(tally.operations)}: ${count(tally.acknowledged)} appends acknowledged, ${count(tally.unknown)} of unknown outcome; ${count(tally.recordsRead)} records read`,
    `faults            ${faults}`,
    `rare paths        ${taken.length} of ${MARK_NAMES.length} taken, ${guards} not that nothing is to take`,
    ...taken.map((name) => `  ${count(tally.marks[name]).padStart(11)}  ${name}`),
    ...tally.missed.map((name) => `  ${'never'.padStart(11)}  ${name}: ${MARKS[name]}`),
  ];
}

/** The same as data. */
export function summaryData(tally: CampaignTally, elapsedMs: number): Record<string, unknown> {
  const { seeds, failed, simulatedMs, events, operations, acknowledged, unknown, recordsRead } = tally;
  return {
    seeds,
    failed,
    elapsedMs: Math.round(elapsedMs),
    simulatedMs: Math.round(simulatedMs),
    simulatedPerWall: simulatedMs / elapsedMs,
    events,
    eventsPerSecond: Math.round((events / elapsedMs) * 1000),
    operations: { begun: operations, acknowledged, unknown, recordsRead },
    faults: tally.faults,
    marks: tally.marks,
    neverTaken: tally.missed,
  };
}

export function failureLines(who: string, failures: readonly Failure[]): string[] {
  return failures.flatMap(({ rule, message, evidence }) => [
    `${who}: ${rule}: ${message}`,
    ...evidence.map((line) => `    ${line.replaceAll('\n', '\n    ')}`),
  ]);
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function duration(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}
