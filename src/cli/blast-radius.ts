import type { ClusterStatus } from '../client/index.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';

/** What it would mean for the cluster if these nodes did nothing any more. */
export interface BlastRadius {
  /** One line each, for whoever has to confirm. */
  readonly effects: readonly string[];
  /** No majority would be left: nothing could be written. */
  readonly losesQuorum: boolean;
}

export function blastRadius(status: ClusterStatus, without: readonly string[]): BlastRadius {
  const counting = status.nodes.filter((node) => node.status?.groups[0]?.eligible === true);
  const needed = Math.floor(status.nodes.length / 2) + 1;
  const left = counting.filter((node) => !without.includes(node.nodeId ?? '')).length;
  const effects: string[] = [];
  if (status.leaderId !== null && without.includes(status.leaderId))
    effects.push(
      `${status.leaderId} is the LEADER of term ${status.term ?? '?'}: writes stop until another one is elected`,
    );
  const before = Math.max(0, counting.length - needed);
  const after = Math.max(0, left - needed);
  if (left < needed)
    effects.push(
      `NO MAJORITY is left (${left} of ${status.nodes.length}, ${needed} needed): nothing can be written`,
    );
  else if (after !== before)
    effects.push(`it tolerates ${after} instead of ${before} failures until this is over`);
  return { effects, losesQuorum: left < needed };
}

/** @throws CliError with exit status 7 where it would cost the majority and nobody said --yes. */
export function confirmRadius(radius: BlastRadius, what: string, isConfirmed: boolean): void {
  if (!radius.losesQuorum || isConfirmed) return;
  throw new CliError('UNSAFE', ExitCode.refused, `${what}: ${radius.effects.join('; ')}`, {
    next: 'say --yes if that is what you want',
  });
}
