import { describe, expect, test } from 'vitest';
import type { Entry } from '../../src/base/entry.ts';
import { mutationsOf } from '../../src/base/mutations.ts';
import { SESSION_LIMITS, StateMachine, type Command } from '../../src/broker/index.ts';
import { StateWatch } from '../../src/sim/state-watch.ts';
import { Log, commit, join, stamp, topic } from '../broker/support/log.ts';

function applied(watch: StateWatch, id: string, machine: StateMachine, entries: readonly Entry[]): void {
  for (const entry of entries) watch.onApplied(id, machine, entry, machine.apply(entry));
}

/** A group in which `b` takes over from `a`, and `a` commits once more. */
function entries(): readonly Entry[] {
  const log = new Log();
  const order = (command: Command): number => {
    log.order(command);
    return log.lastIndex;
  };
  order(topic('t', 2));
  log.batch(stamp(0, 0), 2, 9);
  const a = order(join('g', 'a', 't'));
  order(join('g', 'b', 't'));
  order(commit('g', a, 1, { 2: 3 }, [2]));
  order(commit('g', a, 2, { 2: 5 }));
  return log.entries;
}

describe('the watch over the replicated state', () => {
  test('is content where all nodes come to the same, at whatever time', () => {
    const watch = new StateWatch();
    const all = entries();
    const [n1, n2] = [new StateMachine(), new StateMachine()];
    applied(watch, 'n1', n1, all.slice(0, 3));
    applied(watch, 'n2', n2, all);
    const restarted = StateMachine.restore(Buffer.concat([...n1.checkpoint()]));
    applied(watch, 'n1', restarted, all.slice(3));
    expect(watch.violations).toEqual([]);
  });

  test('says which node came to another state, and behind which entry', () => {
    const watch = new StateWatch();
    const all = entries();
    applied(watch, 'n1', new StateMachine(), all);
    applied(watch, 'n2', new StateMachine(SESSION_LIMITS, mutationsOf(['acceptsCommitsOfAnybody'])), all);
    expect(watch.violations).toHaveLength(1);
    expect(watch.violations[0]).toMatchObject({
      rule: 'replicas-differ',
      message: expect.stringMatching(/^n2 has the digest \d+ behind entry 6, n1 has \d+$/),
    });
  });

  test('says what no node may do', () => {
    const watch = new StateWatch();
    const mutations = mutationsOf(['acceptsCommitsOfAnybody']);
    for (const id of ['n1', 'n2']) applied(watch, id, new StateMachine(SESSION_LIMITS, mutations), entries());
    expect(watch.violations).toEqual([
      {
        rule: 'broker',
        message: 'n1: entry 6: position of queue 2 in group g went from 3 to 5 by member 3, the owner was 4',
      },
    ]);
  });

  test('does not repeat itself', () => {
    const watch = new StateWatch();
    const log = new Log();
    for (let at = 0; at < 20; at += 1) log.noop();
    applied(watch, 'n1', new StateMachine(), log.entries);
    const other = new Log();
    other.time += 1;
    for (let at = 0; at < 20; at += 1) other.noop();
    applied(watch, 'n2', new StateMachine(), other.entries);
    expect(watch.violations).toHaveLength(5);
  });
});
