import type { NodeEvent } from '../node/index.ts';
import { timeOf } from './log-line.ts';
import { printable } from './printable.ts';

/** Why there was an election, by what `campaign-started` gives as its reason. */
export const ELECTION_REASONS: Readonly<Record<string, string>> = {
  timeout: 'no leader was heard from for an election timeout',
  'leader-gone': 'the process that led was gone',
  transfer: 'the leader before handed over',
};

/**
 * Tells the elections of a cluster from the events of its nodes: who leads, in which term, who voted, why there was an
 * election, and how long nobody led. One line an election, however many nodes saw it.
 */
export class ElectionStory {
  #termTold = 0;
  /** Why each node stood, by node and term. */
  readonly #reasons = new Map<string, string>();
  #leader: string | null = null;
  /** Since when nobody leads; null where somebody does, or nobody saw it begin. */
  #leaderlessSinceMs: number | null = null;

  /** @returns lines to show. */
  hear(id: string, event: NodeEvent): string[] {
    const term = Number(event.fields['term'] ?? 0);
    switch (event.code) {
      case 'leader-gone':
        if (this.#leaderlessSinceMs !== null) return [];
        this.#leaderlessSinceMs = event.at;
        return [`▲ ${timeOf(event.at)} ${id} noticed: ${printable(event.text)}`];
      case 'role-changed':
        if (id === this.#leader && event.fields['from'] === 'leader') this.#leaderlessSinceMs ??= event.at;
        return [];
      case 'campaign-started':
        if (event.fields['kind'] === 'vote') {
          const reason = String(event.fields['reason']);
          this.#reasons.set(`${id}/${term}`, ELECTION_REASONS[reason] ?? printable(reason));
        }
        return [];
      case 'election-won':
        return this.#won(id, term, event);
      default:
        return [];
    }
  }

  #won(id: string, term: number, event: NodeEvent): string[] {
    // Events of different nodes may come out of order: an election of the past is no news.
    if (term <= this.#termTold) return [];
    this.#termTold = term;
    this.#leader = id;
    const votes = String(event.fields['votes'] ?? '').split(',');
    const voters = `${votes.length} of ${String(event.fields['voters'])} votes (${printable(votes.join(', '))})`;
    const why = this.#reasons.get(`${id}/${term}`);
    const since = this.#leaderlessSinceMs;
    this.#reasons.clear();
    this.#leaderlessSinceMs = null;
    return [
      [
        `★ ${timeOf(event.at)} ${id} leads term ${term}, with ${voters}`,
        ...(why === undefined ? [] : [`why: ${why}`]),
        ...(since === null ? [] : [`nobody led for ${Math.max(0, event.at - since)} ms`]),
      ].join('; '),
    ];
  }
}
