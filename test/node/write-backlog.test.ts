import { expect, test } from 'vitest';
import { WriteBacklog } from '../../src/node/write-backlog.ts';

test('counts what was handed to the log and is not durable', () => {
  const backlog = new WriteBacklog();
  backlog.submitted(1, 100);
  backlog.submitted(2, 0);
  backlog.submitted(3, 50);
  expect(backlog.bytes).toBe(150);
  backlog.durable(1);
  expect(backlog.bytes).toBe(50);
});

test('one report covers all works before it', () => {
  const backlog = new WriteBacklog();
  for (let number = 1; number <= 1000; number += 1) backlog.submitted(number, number);
  backlog.durable(999);
  expect(backlog.bytes).toBe(1000);
  backlog.durable(1000);
  expect(backlog.bytes).toBe(0);
  backlog.submitted(1001, 7);
  expect(backlog.bytes).toBe(7);
});

test('a report of nothing new changes nothing', () => {
  const backlog = new WriteBacklog();
  backlog.submitted(5, 10);
  backlog.durable(4);
  expect(backlog.bytes).toBe(10);
});
