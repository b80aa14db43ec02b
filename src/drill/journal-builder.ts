import os from 'node:os';
import { describeBreakage } from './breakages.ts';
import type { Outcome } from './drill-run.ts';
import type { Drill } from './drill.ts';
import { GAP_MS, judge } from './expectations.ts';
import { overlaps, type Findings, type Window } from './findings.ts';
import type { Journal, JournalFault, JournalGap } from './journal.ts';
import type { Stage } from './stage.ts';
import { reach } from './verdict.ts';

/** Puts together what a drill did, saw and judged. */
export function buildJournal(
  drill: Drill,
  stage: Stage,
  outcome: Outcome,
  { seed, startedAtMs }: { readonly seed: number; readonly startedAtMs: number },
): Journal {
  const { findings, steps } = outcome;
  const { view, desk } = stage;
  const expectations = judge(drill, findings);
  const { verdict, reasons } = reach(drill, { ...outcome, expectations });
  stage.passed = verdict === 'pass';
  return {
    schemaVersion: 1,
    drill: {
      name: drill.name,
      hypothesis: drill.hypothesis,
      mustFail: drill.mustFail,
      unsafeMutations: drill.cluster.unsafeMutations,
    },
    seed,
    versions: Object.fromEntries(
      view.nodes.map(({ nodeId, status }) => [nodeId, status?.version ?? 'unknown']),
    ),
    host: { platform: `${os.platform()} ${os.arch()}`, cpus: os.cpus().length, node: process.version },
    startedAtMs,
    durationMs: stage.nowMs(),
    ownCluster: stage.fleet !== null,
    nodes: stage.ids,
    steps,
    faults: faultsOf(findings),
    roles: view.roles,
    events: view.events,
    series: findings.measurements.series(),
    gaps: gapsOf(findings),
    counts: findings.counts,
    expectations,
    verdict,
    reasons,
    unhealed: desk.unhealed,
    reproduce: `dledger drill run ${drill.name} --seed ${seed}`,
    files: [stage.recorder.file, ...stage.ids.flatMap((id) => stage.fleet?.logFile(id) ?? [])],
  };
}

function faultsOf({ faults }: Findings): JournalFault[] {
  return faults.map(({ id, step, breakage, node, appliedMs, healedMs, proof }) => ({
    id,
    step,
    spec: describeBreakage(breakage),
    node,
    appliedMs,
    healedMs,
    proof,
  }));
}

function gapsOf(findings: Findings): JournalGap[] {
  return findings.measurements
    .silences(GAP_MS)
    .map((silence) => ({ ...silence, label: labelOf(silence, findings) }));
}

/** What was broken meanwhile, and who came to lead. */
function labelOf(gap: Window, { faults, leaders, endMs }: Findings): string {
  const active = faults
    .filter(({ appliedMs, healedMs }) => overlaps(gap, { fromMs: appliedMs, toMs: healedMs ?? endMs }))
    .map(({ breakage }) => describeBreakage(breakage));
  const elected = leaders
    .filter(({ atMs }) => atMs >= gap.fromMs && atMs <= gap.toMs)
    .map(({ node, term, atMs }) => `${node} leads term ${term} after ${Math.round(atMs - gap.fromMs)} ms`);
  const parts = [active.length === 0 ? 'nothing was broken' : active.join(', '), ...elected];
  return parts.join('; ');
}
