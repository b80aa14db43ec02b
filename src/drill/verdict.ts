import type { Drill } from './drill.ts';
import { isSafety } from './expectations.ts';
import type { JournalExpectation, JournalVerdict } from './journal.ts';

/** What a verdict is made of. Each list is for people, the most important first. */
export interface Grounds {
  readonly expectations: readonly JournalExpectation[];
  /** The cluster did not do in time what a step, or the end, waited for. */
  readonly failures: readonly string[];
  /** Why the drill could not show what it should. */
  readonly doubts: readonly string[];
  /** Why it was ended early; null if it was not. */
  readonly aborted: string | null;
}

/**
 * What is lost is lost, whatever else the drill could show: broken safety comes before everything. Then a drill that was
 * ended, or did not do to the cluster what it should have, says nothing; only then its expectations count.
 */
export function reach(
  drill: Drill,
  grounds: Grounds,
): { readonly verdict: JournalVerdict; readonly reasons: readonly string[] } {
  const { expectations, failures, doubts, aborted } = grounds;
  const safety = new Set(drill.expect.filter(isSafety).map(({ id }) => id));
  const unexpected = expectations.filter(
    ({ id, ok, severity }) => !ok && severity === 'error' && !drill.mustFail.includes(id),
  );
  const broken = unexpected.filter(({ id }) => safety.has(id));
  const unshown = expectations.filter(({ id, ok }) => ok && drill.mustFail.includes(id));
  if (broken.length > 0) return { verdict: 'fail', reasons: [...broken.map(tell), ...failures] };
  if (aborted !== null) return { verdict: 'aborted', reasons: [aborted] };
  if (doubts.length > 0) return { verdict: 'inconclusive', reasons: [...doubts, ...failures] };
  const reasons = [...failures, ...unexpected.map(tell), ...unshown.map(tellUnshown)];
  if (reasons.length > 0) return { verdict: 'fail', reasons };
  const shown = expectations.filter(({ id }) => drill.mustFail.includes(id));
  return {
    verdict: 'pass',
    reasons: shown.map(({ id, text, observed }) => `${id} failed as it must (${text}): ${observed}`),
  };
}

function tell({ id, text, observed, evidence }: JournalExpectation): string {
  return [`${id}: expected ${text}, observed ${observed}`, ...evidence.slice(0, 1)].join('; ');
}

function tellUnshown({ id, text, observed }: JournalExpectation): string {
  return `${id} held (${text}: ${observed}), and must not: with the protection off the drill has to see what it protects from`;
}
