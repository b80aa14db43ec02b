import type { Journal, JournalVerdict } from '../journal.ts';

const VERDICTS: Readonly<Record<JournalVerdict, string>> = {
  pass: 'PASS',
  fail: 'FAIL',
  aborted: 'ABORTED',
  inconclusive: 'INCONCLUSIVE',
};

/** The verdict and what it rests on, in one sentence. */
export function verdictSentence({ verdict, drill, reasons, counts, gaps }: Journal): string {
  const head = `${VERDICTS[verdict]}  ${drill.name}`;
  const [reason] = reasons;
  if (verdict !== 'pass') return reason === undefined ? head : `${head}: ${reason}`;
  if (reason !== undefined) return `${head}: ${reason}`;
  const longest = gaps.reduce((most, { fromMs, toMs }) => Math.max(most, toMs - fromMs), 0);
  const gap = longest === 0 ? 'no gap of 250 ms or more' : `longest gap ${showMs(longest)}`;
  return `${head}: ${counts.acked} acknowledged, ${counts.missing} missing, ${counts.duplicated} duplicated, ${gap}`;
}

/** A duration for people. */
export function showMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** A moment of the drill. */
export function showAt(atMs: number): string {
  return `${(atMs / 1000).toFixed(2)} s`;
}
