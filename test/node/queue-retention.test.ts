import { describe, expect, test } from 'vitest';
import type { StateMachine } from '../../src/broker/index.ts';
import type { QueueStore } from '../../src/queue/index.ts';
import type { AppendPath } from '../../src/node/append-path.ts';
import { Retention } from '../../src/node/topics/retention.ts';
import type { LogIndex } from '../../src/base/units.ts';
import { ManualClock } from '../wal/harness.ts';

type Decide = (error: Error | null) => void;

/** One topic of two queues whose records of offsets 0 to 9 lie in what is to go. */
function retentionWith(find: (queue: number) => Error | null): { retention: Retention; decisions: Decide[] } {
  const decisions: Decide[] = [];
  const queue = (id: number): object => ({ id, firstOffset: 0, endOffset: 20 });
  const parts = {
    machine: { topicCount: 1, topics: () => [{ queues: [queue(1), queue(2)] }] } as unknown as StateMachine,
    queues: {
      find: (
        id: number,
        _by: string,
        _value: number,
        done: (error: Error | null, unit: object | null) => void,
      ) => done(find(id), { baseOffset: 10 }),
    } as unknown as QueueStore,
    appends: {
      command: (_body: Uint8Array, _deadlineMs: number, decided: Decide) => decisions.push(decided),
    } as unknown as AppendPath,
    clock: new ManualClock(),
    enter: () => undefined,
    leads: () => true,
  };
  return { retention: new Retention(parts), decisions };
}

describe('before the log lets go of records', () => {
  const index = 100 as LogIndex;

  test('the first offsets of their queues are raised, and that is decided', () => {
    const { retention, decisions } = retentionWith(() => null);
    const said: boolean[] = [];
    retention.raiseFor(index, (isRaised) => said.push(isRaised));
    expect(decisions).toHaveLength(1);
    expect(said).toEqual([]);
    decisions[0]?.(null);
    expect(said).toEqual([true]);
  });

  test('nothing goes if that was refused', () => {
    const { retention, decisions } = retentionWith(() => null);
    const said: boolean[] = [];
    retention.raiseFor(index, (isRaised) => said.push(isRaised));
    decisions[0]?.(new Error('DISK_FULL'));
    expect(said).toEqual([false]);
  });

  test('nothing goes if a queue cannot be looked through', () => {
    const { retention, decisions } = retentionWith((queue) => (queue === 2 ? new Error('EIO') : null));
    const said: boolean[] = [];
    retention.raiseFor(index, (isRaised) => said.push(isRaised));
    decisions[0]?.(null);
    expect(said).toEqual([false]);
  });
});
