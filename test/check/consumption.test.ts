import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ConsumptionCheck, type ConsumptionRule } from '../../src/check/index.ts';

const QUEUE = 7;

/** Twenty records of one queue, read to the middle by `a`, committed at 8, then handed over to `b`, who finishes. */
class Story {
  readonly check: ConsumptionCheck = new ConsumptionCheck();

  constructor() {
    const values = Array.from({ length: 20 }, (_, at) => `v${at}`);
    this.check.acknowledged(QUEUE, 0, values.slice(0, 12));
    this.check.acknowledged(QUEUE, 12, values.slice(12));
    this.check.assigned('a', QUEUE, null);
    this.deliver('a', 0, 10);
    this.check.committed(QUEUE, 8);
    this.check.revoked('a', QUEUE);
  }

  deliver(member: string, from: number, to: number): this {
    for (let offset = from; offset < to; offset += 1)
      this.check.delivered(member, QUEUE, offset, `v${offset}`);
    return this;
  }

  handOver(position: number): this {
    this.check.assigned('b', QUEUE, position);
    return this;
  }

  rules(): readonly ConsumptionRule[] {
    return [...new Set(this.check.end().map(({ rule }) => rule))];
  }
}

describe('the consumption of a group', () => {
  test('is right where everything after the committed position comes, some of it again', () => {
    expect(new Story().handOver(8).deliver('b', 8, 20).rules()).toEqual([]);
  });

  test.each<[ConsumptionRule, (story: Story) => void]>([
    ['never-consumed', (story) => story.handOver(8).deliver('b', 8, 19)],
    ['skipped', (story) => story.handOver(8).deliver('b', 8, 12).deliver('b', 13, 20)],
    ['skipped', (story) => story.handOver(8).deliver('b', 9, 20)],
    ['out-of-order', (story) => story.handOver(8).deliver('b', 8, 20).deliver('b', 9, 10)],
    ['committed-work-repeated', (story) => story.handOver(8).deliver('b', 7, 20)],
    ['position-went-back', (story) => story.handOver(7).deliver('b', 8, 20)],
    ['not-assigned', (story) => story.deliver('b', 8, 20)],
    ['not-assigned', (story) => story.handOver(8).deliver('b', 8, 20).deliver('a', 10, 11)],
    [
      'offset-holds-another',
      (story) => {
        story.handOver(8).deliver('b', 8, 20);
        story.check.delivered('b', QUEUE, 20, 'x');
        story.check.acknowledged(QUEUE, 20, ['y']);
      },
    ],
    [
      'stored-at-two-offsets',
      (story) => {
        story.handOver(8).deliver('b', 8, 20);
        story.check.delivered('b', QUEUE, 20, 'v3');
      },
    ],
  ])('is told from one with %s', (rule, change) => {
    const story = new Story();
    change(story);
    expect(story.rules()).toContain(rule);
  });

  test('says nothing about what nobody acknowledged, or what retention had taken', () => {
    const story = new Story().handOver(8).deliver('b', 8, 20);
    // A batch of unknown outcome that was stored after all.
    story.check.delivered('b', QUEUE, 20, 'unknown');
    expect(story.rules()).toEqual([]);
    const late = new ConsumptionCheck();
    late.acknowledged(QUEUE, 0, ['a', 'b', 'c']);
    late.assigned('m', QUEUE, 2);
    late.delivered('m', QUEUE, 2, 'c');
    expect(late.end(new Map([[QUEUE, 2]]))).toEqual([]);
    expect(late.end()).toHaveLength(2);
  });

  test('of random members that keep the rules is right, and of one that does not is not', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      expect(randomStory(seed, false), `seed ${seed}`).toEqual([]);
      expect(randomStory(seed, true), `seed ${seed}`).not.toEqual([]);
    }
  });
});

/** Members take over from each other at committed positions. `breaks`: one of them leaves a record out. */
function randomStory(seed: number, breaks: boolean): readonly unknown[] {
  const prng = new Prng(seed);
  const check = new ConsumptionCheck();
  const count = prng.between(20, 60);
  check.acknowledged(
    QUEUE,
    0,
    Array.from({ length: count }, (_, at) => `v${at}`),
  );
  let position = 0;
  let brokenAt = breaks ? prng.below(count - 1) : -1;
  for (let member = 0; position < count; member += 1) {
    check.assigned(`m${member}`, QUEUE, position);
    let next = position;
    const reads = prng.between(1, 10);
    for (let step = 0; step < reads && next < count; step += 1, next += 1) {
      if (next === brokenAt) {
        brokenAt = -1;
        next += 1;
      }
      check.delivered(`m${member}`, QUEUE, next, `v${next}`);
      if (!prng.chance(0.4)) continue;
      position = next + 1;
      check.committed(QUEUE, position);
    }
    if (next >= count) position = count;
    check.revoked(`m${member}`, QUEUE);
  }
  return check.end();
}
