import { describe, expect, test } from 'vitest';
import { RecordSender } from '../../src/cli/record-sender.ts';
import {
  OverloadedError,
  TimeoutUnknownError,
  type AppendCallback,
  type DledgerError,
  type Producer,
} from '../../src/client/index.ts';
import type { LogIndex, Term } from '../../src/base/units.ts';

/** Holds what it is sent until the test answers. */
class ScriptedProducer {
  readonly waiting: { readonly records: readonly Uint8Array[]; readonly callback: AppendCallback }[] = [];
  isWritable = true;
  onWritable: (() => void) | null = null;

  send(records: readonly Uint8Array[], callback: AppendCallback): void {
    this.waiting.push({ records, callback });
  }

  answer(index: number, error: DledgerError | null = null): void {
    this.waiting.shift()?.callback(error, index as LogIndex, 1 as Term, null);
  }
}

function pair(): { producer: ScriptedProducer; sender: RecordSender } {
  const producer = new ScriptedProducer();
  return { producer, sender: new RecordSender(producer as unknown as Producer) };
}

const group = (count: number): Uint8Array[] => Array.from({ length: count }, () => new Uint8Array(1));

/** Whether it is still waiting after everything that was due has run. */
async function isWaiting(promise: Promise<void>): Promise<boolean> {
  const later = new Promise<'later'>((resolve) => {
    setImmediate(() => resolve('later'));
  });
  return (await Promise.race([promise, later])) === 'later';
}

describe('the books of a sender', () => {
  test('count records, not groups, and know the first and the last index', async () => {
    const { producer, sender } = pair();
    sender.send(group(1));
    sender.send(group(3));
    expect(sender).toMatchObject({ sent: 4, acknowledged: 0, firstIndex: null, lastIndex: null });
    producer.answer(7);
    producer.answer(9);
    await sender.settled();
    expect(sender).toMatchObject({ acknowledged: 4, unknown: 0, refused: 0, firstIndex: 7, lastIndex: 9 });
  });

  test('keep apart what is unknown and what is not stored, and the first thing that went wrong', async () => {
    const { producer, sender } = pair();
    for (const count of [2, 3, 4]) sender.send(group(count));
    const unknown = new TimeoutUnknownError('late');
    producer.answer(1);
    producer.answer(0, unknown);
    producer.answer(0, new OverloadedError('full'));
    await sender.settled();
    expect(sender).toMatchObject({ acknowledged: 2, unknown: 3, refused: 4, firstError: unknown });
  });

  test('are settled when every record has its answer, and at once where none was sent', async () => {
    const { producer, sender } = pair();
    await sender.settled();
    sender.send(group(1));
    sender.send(group(1));
    const settled = sender.settled();
    producer.answer(1);
    expect(await isWaiting(settled)).toBe(true);
    producer.answer(2);
    await settled;
  });
});

describe('a sender', () => {
  test('waits while the producer is full', async () => {
    const { producer, sender } = pair();
    producer.isWritable = false;
    const room = sender.room();
    sender.send(group(1));
    sender.send(group(1));
    producer.answer(1);
    expect(await isWaiting(room)).toBe(true);
    producer.isWritable = true;
    producer.onWritable?.();
    await room;
  });

  test('does not wait for room after something went wrong', async () => {
    const { producer, sender } = pair();
    sender.send(group(1));
    sender.send(group(1));
    producer.isWritable = false;
    const room = sender.room();
    producer.answer(0, new OverloadedError('full'));
    await room;
    await sender.room();
  });
});
