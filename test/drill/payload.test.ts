import { expect, test } from 'vitest';
import { payloadOf, valueOf } from '../../src/drill/payload.ts';

test('a record of the load is known by its name, and is nothing of the kind with any byte changed', () => {
  const data = payloadOf('p3-17', 64);
  expect([data.length, valueOf(data)]).toEqual([64, 'p3-17']);
  for (let at = 0; at < data.length; at += 1) {
    const changed = Uint8Array.from(data);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(valueOf(changed)).not.toBe('p3-17');
  }
});
