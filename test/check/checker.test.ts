import { describe, expect, test } from 'vitest';
import { checkHistory, HistoryError, type HistoryEvent } from '../../src/check/index.ts';
import { Prng } from '../../src/base/prng.ts';
import { isLinearizable } from './brute-force.ts';
import { MUTATIONS, rulesBroken } from './mutations.ts';
import { validStory } from './support.ts';
import { tinyStory } from './tiny-story.ts';

const APPEND = { type: 'append-invoked', operation: 1, producer: 'p', sequence: 1, values: ['v'] } as const;

describe('the history checker', () => {
  test('raises no alarm over 500 valid histories', () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const { events, logs } = validStory(seed);
      const result = checkHistory(events, logs);
      expect(result.violations, `seed ${seed}`).toEqual([]);
      const ended = events.filter((event) => event.type === 'append-ok').length;
      expect(result.acknowledged).toBe(ended);
    }
  });

  test('raises none where the beginning of the logs is not kept any more', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const { events, logs } = validStory(seed);
      const commitIndex = logs[0]?.commitIndex ?? 0;
      const trimmed = logs.map((log, at) => {
        const firstIndex = 1 + ((seed + 3 * at) % (commitIndex + 1));
        return { ...log, firstIndex, entries: log.entries.filter(({ index }) => index >= firstIndex) };
      });
      expect(checkHistory(events, trimmed).violations, `seed ${seed}`).toEqual([]);
    }
  });

  test.each(Object.entries(MUTATIONS))('catches it when %s', (_name, { rule, mutate }) => {
    let mutated = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const story = validStory(seed);
      if (!mutate(story, new Prng(seed))) continue;
      mutated += 1;
      expect([...rulesBroken(story)], `seed ${seed}`).toContain(rule);
    }
    expect(mutated).toBeGreaterThan(30);
  });

  test('agrees with the definition of linearizability over 2,000 tiny histories', () => {
    let possible = 0;
    for (let seed = 1; seed <= 2000; seed += 1) {
      const { events, logs } = tinyStory(seed);
      const isPossible = isLinearizable(events, logs[0]?.entries ?? []);
      if (isPossible) possible += 1;
      expect(checkHistory(events, logs).violations.length === 0, `seed ${seed}`).toBe(isPossible);
    }
    // Both kinds in numbers, or the agreement says little.
    expect(possible).toBeGreaterThan(500);
    expect(possible).toBeLessThan(1500);
  });

  test.each([
    [[{ type: 'append-failed', operation: 1 }], 'operation 1, which does not run'],
    [[APPEND, APPEND], 'is appended twice'],
    [[APPEND, { ...APPEND, values: ['w'] }], 'operation 1 begins while it runs'],
    [[APPEND, { type: 'append-ok', operation: 1, index: 0, term: 1 }], 'indexes begin at 1'],
    [[{ type: 'read-ok', operation: 2 }], 'operation 2, which does not run'],
  ] satisfies [HistoryEvent[], string][])('refuses what is no history', (events, what) => {
    expect(() => checkHistory(events, [])).toThrow(HistoryError);
    expect(() => checkHistory(events, [])).toThrow(what);
  });

  test('names what contradicts each other', () => {
    const { events, logs } = validStory(3);
    const acked = events.find((event) => event.type === 'append-ok');
    const without = logs.map((log) => ({
      ...log,
      entries: log.entries.filter((entry) => entry.index !== acked?.index),
    }));
    const violation = checkHistory(events, without).violations.find(
      ({ rule }) => rule === 'acknowledged-lost',
    );
    expect(violation?.message).toContain(`acknowledged at ${acked?.index}`);
    expect(violation?.evidence[0]).toContain(`ok at ${acked?.index}`);
  });

  test('an unknown append may be there or not', () => {
    const invoked = {
      type: 'append-invoked',
      operation: 1,
      producer: 'p',
      sequence: 1,
      values: ['v'],
    } as const;
    const unknown = { type: 'append-unknown', operation: 1 } as const;
    const empty = { node: 'n1', firstIndex: 1, commitIndex: 5, entries: [] };
    const stored = { ...empty, entries: [{ index: 2, term: 1, values: ['v'] }] };
    expect(checkHistory([invoked, unknown], [empty])).toMatchObject({ violations: [], unknownStored: 0 });
    expect(checkHistory([invoked, unknown], [stored])).toMatchObject({ violations: [], unknownStored: 1 });
    expect(checkHistory([invoked], [stored])).toMatchObject({ violations: [], unknown: 1, unknownStored: 1 });
  });
});
