import type { NodeEvent } from '../node/index.ts';
import { printable } from './printable.ts';

/**
 * Tells the elections of a cluster from the events of its nodes: who leads, in which term, why there was an election,
 * who voted, and how long nobody led. One line an election, however many nodes saw it.
 */
export class ElectionStory {
  readonly #told = new Set<number>();
  /** Why each node stood, by term. */
  readonly #reasons = new Map<string, string>();
  #leader: string | null = null;
  #leaderlessSinceMs: number | null = null;
  #isFirst = true;

  /** @returns lines to show. */
  hear(id: string, event: NodeEvent): string[] {
    const term = Number(event.fields['term'] ?? 0);
    if (event.code === 'leader-gone' && this.#leaderlessSinceMs === null) {
      this.#leaderlessSinceMs = event.at;
      return [`▲ ${time(event)} ${id} noticed: ${printable(event.text)}`];
    }
    if (event.code === 'role-changed' && id === this.#leader && event.fields['from'] === 'leader')
      this.#leaderlessSinceMs ??= event.at;
    if (event.code === 'campaign-started' && event.fields['kind'] === 'vote') {
      this.#reasons.set(
        `${id}/${term}`,
        REASONS[String(event.fields['reason'])] ?? String(event.fields['reason']),
      );
    }
    if (event.code !== 'election-won' || this.#told.has(term)) return [];
    this.#told.add(term);
    const down =
      this.#leaderlessSinceMs === null
        ? ''
        : `; nobody led for ${Math.max(0, event.at - this.#leaderlessSinceMs)} ms`;
    this.#leader = id;
    this.#leaderlessSinceMs = null;
    const votes = String(event.fields['votes'] ?? '').split(',');
    const why = this.#reasons.get(`${id}/${term}`) ?? 'it stood for election';
    return [
      `★ ${time(event)} ${id} leads term ${term}: ${why}; ${votes.length} of ${String(event.fields['voters'])} voted for it (${votes.join(', ')}), a majority${down}`,
    ];
  }

  /** True once, for the first election that was told. */
  isFirstLeader(event: NodeEvent): boolean {
    if (event.code !== 'election-won' || !this.#isFirst) return false;
    this.#isFirst = false;
    return true;
  }
}

const REASONS: Record<string, string> = {
  timeout:
    'it heard from no leader for a whole election timeout, and a majority had said in a pre-vote that it could win',
  'leader-gone': 'the leader’s process was gone, and a majority had said in a pre-vote that it could win',
  transfer: 'the leader before handed over to it',
};

function time(event: NodeEvent): string {
  return new Date(event.at).toISOString().slice(11, 23);
}
