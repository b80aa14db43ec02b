import { METRICS, type Drill, type Expectation, type Invariant, type Metric } from './drill.ts';
import { faultWindows, overlaps, type Findings, type Window } from './findings.ts';
import type { JournalExpectation } from './journal.ts';
import { holds, showAmount } from './quantities.ts';

/** What became of an expectation. */
interface Judged {
  readonly ok: boolean;
  readonly observed: string;
  readonly limit: string;
  readonly evidence: readonly string[];
}

/** A stretch without an acknowledgement counts as unavailability in a total from here on: shorter ones every busy machine has. */
export const GAP_MS = 250;
const EVIDENCE_MAX = 5;

/** Whether an expectation is about what must never break, whatever else the drill could show. */
export function isSafety({ what }: Expectation): boolean {
  if (what.kind !== 'metric') return what.kind !== 'event';
  return ['acked.missing', 'acked.duplicates', 'acked.reordered'].includes(what.metric);
}

export function judge({ expect }: Drill, findings: Findings): JournalExpectation[] {
  return expect.map((expectation) => {
    const { id, severity, note } = expectation;
    const text = describe(expectation) + (note === null ? '' : ` (${note})`);
    return { id, text, severity, ...judgeOne(expectation, findings) };
  });
}

/** In words, without the limit of a metric. */
export function describe({ what, during, except }: Expectation): string {
  const when = during === 'all' ? '' : `, ${during}`;
  const excused = except.length === 0 ? '' : `, except ${except.join(', ')}`;
  switch (what.kind) {
    case 'metric':
      return `${what.metric} ${what.comparison.text}${when}${excused}`;
    case 'history':
      return 'history linearizable';
    case 'logs':
      return 'logs identical';
    case 'invariants':
      return what.invariants.join(', ');
    case 'event':
      return `an event says ${JSON.stringify(what.text)}`;
  }
}

function judgeOne(expectation: Expectation, findings: Findings): Judged {
  const { what } = expectation;
  switch (what.kind) {
    case 'metric':
      return judgeMetric(expectation, what, findings);
    case 'history':
      return judgeFindings(
        findings.check.violations.map(
          ({ rule, message, evidence }) => `${rule}: ${message} (${evidence.join('; ')})`,
        ),
        Object.values(findings.check.broken).reduce((sum, count) => sum + count, 0),
        'violations',
      );
    case 'logs':
      return judgeFindings(findings.differences, findings.differences.length, 'differences');
    case 'invariants': {
      const broken = what.invariants.flatMap((invariant) => breaches(invariant, findings));
      return judgeFindings(broken, broken.length, 'breaches');
    }
    case 'event': {
      const found = findings.events.find(({ node, text }) => `${node} ${text}`.includes(what.text));
      const observed = found === undefined ? 'no such event' : `${found.node}: ${found.text}`;
      return { ok: found !== undefined, observed, limit: 'at least one', evidence: [] };
    }
  }
}

function judgeFindings(evidence: readonly string[], count: number, noun: string): Judged {
  return {
    ok: count === 0,
    observed: `${count} ${noun}`,
    limit: `no ${noun}`,
    evidence: evidence.slice(0, EVIDENCE_MAX),
  };
}

function judgeMetric(
  expectation: Expectation,
  { metric, comparison }: Extract<Expectation['what'], { kind: 'metric' }>,
  findings: Findings,
): Judged {
  const { value, evidence } = measure(metric, expectation, findings);
  // Nothing measured is no proof of anything.
  if (value === null)
    return { ok: false, observed: 'nothing was measured', limit: comparison.text, evidence: [] };
  return {
    ok: holds(comparison, value),
    observed: showAmount(value, METRICS[metric]),
    limit: comparison.text,
    evidence: evidence.slice(0, EVIDENCE_MAX),
  };
}

interface Measure {
  readonly value: number | null;
  readonly evidence: readonly string[];
}

function measure(metric: Metric, expectation: Expectation, findings: Findings): Measure {
  const { counts, deaths, leaders, steadyTerm } = findings;
  switch (metric) {
    case 'acked.total':
      return { value: counts.acked, evidence: [] };
    case 'acked.missing':
      return { value: counts.missing, evidence: findings.missing };
    case 'acked.duplicates':
      return { value: counts.duplicated, evidence: findings.duplicated };
    case 'acked.reordered':
      return { value: counts.reordered, evidence: orderEvidence(findings) };
    case 'unknown.count':
      return { value: counts.unknown, evidence: [] };
    case 'failed.count':
      return { value: counts.failed, evidence: [] };
    case 'unavailability.longest': {
      const silences = silencesOf(expectation, findings, 0);
      const longest = silences.reduce((most, each) => Math.max(most, lengthOf(each)), 0);
      return { value: silences.length === 0 ? null : longest, evidence: longestOf(silences) };
    }
    case 'unavailability.total': {
      const silences = silencesOf(expectation, findings, GAP_MS);
      return {
        value: silences.reduce((sum, each) => sum + lengthOf(each), 0),
        evidence: longestOf(silences),
      };
    }
    case 'elections.count': {
      const later = leaders.filter(({ term }) => term > steadyTerm);
      const evidence = later.map(({ atMs, node, term }) => `${node} led term ${term} from ${showAt(atMs)}`);
      return { value: new Set(later.map(({ term }) => term)).size, evidence };
    }
    case 'terms.max':
      return {
        value: findings.finalTerm - steadyTerm,
        evidence: [`from term ${steadyTerm} to ${findings.finalTerm}`],
      };
    case 'nodes.died':
      return {
        value: deaths.length,
        evidence: deaths.map(({ atMs, node, how }) => `${node} ended at ${showAt(atMs)}: ${how}`),
      };
    case 'ack.p50':
      return { value: latencies(expectation, findings).p50, evidence: [] };
    case 'ack.p99':
      return { value: latencies(expectation, findings).p99, evidence: [] };
    case 'ack.max':
      return { value: latencies(expectation, findings).max, evidence: [] };
  }
}

function silencesOf({ except, during }: Expectation, findings: Findings, atLeastMs: number): Window[] {
  const excused = faultWindows(findings, (step) => except.includes(step));
  const faults = faultWindows(findings);
  return findings.measurements.silences(atLeastMs).filter((silence) => {
    if (silence.toMs <= findings.steadyMs) return false;
    if (excused.some((window) => overlaps(window, silence))) return false;
    const isOnFault = faults.some((window) => overlaps(window, silence));
    return during === 'all' || isOnFault === (during === 'on-fault');
  });
}

function latencies(
  { during, except }: Expectation,
  findings: Findings,
): ReturnType<Findings['measurements']['latencies']> {
  const windows = faultWindows(findings);
  const excused = faultWindows(findings, (step) => except.includes(step));
  const isIn = (atMs: number, among: readonly Window[]): boolean =>
    among.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs);
  return findings.measurements.latencies((intendedMs) => {
    if (intendedMs < findings.steadyMs || isIn(intendedMs, excused)) return false;
    return during === 'all' || isIn(intendedMs, windows) === (during === 'on-fault');
  });
}

function breaches(invariant: Invariant, { check, differences, regressions, leaders }: Findings): string[] {
  const told = (rule: string): string[] =>
    check.violations.filter((violation) => violation.rule === rule).map(({ message }) => message);
  switch (invariant) {
    case 'one-leader-per-term': {
      const twice = leaders.filter(({ node, term }) =>
        leaders.some((each) => each.term === term && each.node < node),
      );
      return [
        ...twice.map(({ node, term }) => `${node} led term ${term}, as another did`),
        ...told('two-leaders'),
      ];
    }
    case 'log-matching':
      return [...differences, ...told('logs-differ')];
    case 'commit-monotonic':
      return [...regressions];
  }
}

function orderEvidence({ check }: Findings): string[] {
  return check.violations
    .filter(({ rule }) => rule === 'producer-order' || rule === 'real-time-order')
    .map(({ message, evidence }) => `${message}: ${evidence.join('; ')}`);
}

function longestOf(silences: readonly Window[]): string[] {
  return [...silences]
    .sort((one, other) => lengthOf(other) - lengthOf(one))
    .filter((silence) => lengthOf(silence) >= GAP_MS)
    .map(({ fromMs, toMs }) => `no acknowledgement from ${showAt(fromMs)} to ${showAt(toMs)}`);
}

function lengthOf({ fromMs, toMs }: Window): number {
  return toMs - fromMs;
}

/** Seconds since the drill began. */
function showAt(atMs: number): string {
  return `${(atMs / 1000).toFixed(3)} s`;
}
