import { z } from 'zod';
import type { Journal } from './journal.ts';

const ms = z.number();
const count = z.number().min(0);
const texts = z.array(z.string());

const JOURNAL: z.ZodType<Journal> = z.object({
  schemaVersion: z.literal(1, 'this program reads journals of version 1'),
  drill: z.object({ name: z.string(), hypothesis: z.string(), mustFail: texts, unsafeMutations: texts }),
  seed: count,
  versions: z.record(z.string(), z.string()),
  host: z.object({ platform: z.string(), cpus: count, node: z.string() }),
  startedAtMs: ms,
  durationMs: ms,
  ownCluster: z.boolean(),
  nodes: texts,
  steps: z.array(
    z.object({
      name: z.string(),
      kind: z.string(),
      startMs: ms,
      endMs: ms,
      ok: z.boolean(),
      text: z.string(),
    }),
  ),
  faults: z.array(
    z.object({
      id: z.string(),
      step: z.string(),
      spec: z.string(),
      node: z.string(),
      appliedMs: ms,
      healedMs: ms.nullable(),
      proof: z.object({ affected: count, how: z.string() }).nullable(),
    }),
  ),
  roles: z.array(
    z.object({
      atMs: ms,
      node: z.string(),
      role: z.enum(['leader', 'follower', 'candidate', 'preCandidate', 'learner', 'down']),
      term: count,
    }),
  ),
  events: z.array(
    z.object({
      atMs: ms,
      node: z.string(),
      level: z.enum(['info', 'warn', 'error']),
      code: z.string(),
      text: z.string(),
    }),
  ),
  series: z.array(
    z.object({
      atMs: ms,
      intervalMs: ms,
      offered: count,
      acked: count,
      failed: count,
      p50Ms: ms.nullable(),
      p99Ms: ms.nullable(),
    }),
  ),
  gaps: z.array(z.object({ fromMs: ms, toMs: ms, label: z.string() })),
  counts: z.object({
    acked: count,
    unknown: count,
    failed: count,
    missing: count,
    duplicated: count,
    reordered: count,
    unknownStored: count,
  }),
  expectations: z.array(
    z.object({
      id: z.string(),
      text: z.string(),
      severity: z.enum(['error', 'warn']),
      observed: z.string(),
      limit: z.string(),
      ok: z.boolean(),
      evidence: texts,
    }),
  ),
  verdict: z.enum(['pass', 'fail', 'aborted', 'inconclusive']),
  reasons: texts,
  unhealed: texts,
  reproduce: z.string(),
  files: texts,
});

/** What lies in the directory of a drill. */
export const JOURNAL_NAME = 'journal.json';

/** @throws Error that says what is wrong where the text is no journal. */
export function parseJournal(text: string): Journal {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`no JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = JOURNAL.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no journal'}`);
}
