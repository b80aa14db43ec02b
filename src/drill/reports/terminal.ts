import type { Journal } from '../journal.ts';
import { showAt, showMs, verdictSentence } from './words.ts';

/** How it is marked what is well and what is not. */
export interface Marks {
  readonly ok: string;
  readonly bad: string;
  readonly warn: string;
}

/** The summary of a drill: its steps, its faults, its expectations, and the verdict at the end. */
export function terminalReport(journal: Journal, marks: Marks): string[] {
  const { steps, faults, gaps, expectations, counts, reasons, unhealed } = journal;
  const lines = [
    `${journal.drill.name}: ${journal.drill.hypothesis}`,
    '',
    ...steps.map(
      ({ name, ok, text, startMs }) =>
        `  ${ok ? marks.ok : marks.bad} ${showAt(startMs).padStart(8)}  ${name}: ${text}`,
    ),
    '',
    ...faults.map(({ id, spec, appliedMs, healedMs, proof }) => {
      const until = healedMs === null ? 'to the end' : `for ${showMs(healedMs - appliedMs)}`;
      return `  ${id} ${spec}, from ${showAt(appliedMs)} ${until}; ${proof === null ? 'nothing shows it' : proof.how}`;
    }),
    ...gaps.map(
      ({ fromMs, toMs, label }) => `  gap of ${showMs(toMs - fromMs)} at ${showAt(fromMs)}: ${label}`,
    ),
    `  ${counts.acked} acknowledged, ${counts.unknown} of unknown outcome (${counts.unknownStored} of them stored), ${counts.failed} refused`,
    '',
    ...expectations.flatMap(({ id, text, observed, ok, severity, evidence }) => {
      const isMeant = journal.drill.mustFail.includes(id);
      const mark = ok !== isMeant ? marks.ok : severity === 'warn' ? marks.warn : marks.bad;
      const must = isMeant ? ' (must fail)' : '';
      const told = ok && !isMeant ? [] : evidence.map((line) => `        ${line}`);
      return [`  ${mark} ${id}: ${text}${must}: ${observed}`, ...told];
    }),
    '',
    verdictSentence(journal),
    ...reasons.slice(1).map((reason) => `  ${reason}`),
    ...unhealed.map((fault) => `  NOT MENDED, until its time runs out: ${fault}`),
    `  again: ${journal.reproduce}`,
  ];
  return lines;
}
