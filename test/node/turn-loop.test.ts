import { expect, test } from 'vitest';
import { TurnLoop } from '../../src/node/turn-loop.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

function start(pauseMs = 75): { clock: VirtualClock; loop: TurnLoop; log: string[] } {
  const clock = new VirtualClock();
  const log: string[] = [];
  const loop = new TurnLoop(clock, 10, pauseMs, {
    onTicks: (count) => log.push(`ticks ${count}`),
    onPause: (gapMs) => log.push(`pause ${gapMs}`),
    onTurnEnd: () => log.push('end'),
  });
  loop.start();
  return { clock, loop, log };
}

test('inputs of one moment are one turn', () => {
  const { clock, loop, log } = start();
  for (const name of ['a', 'b', 'c']) {
    clock.setTimer(5, () => {
      loop.enter();
      log.push(name);
    });
  }
  clock.advanceBy(6);
  expect(log).toEqual(['a', 'b', 'c', 'end']);
});

test('time comes in ticks, as many as fit', () => {
  const { clock, log } = start();
  clock.advanceBy(100);
  const ticks = log.filter((line) => line.startsWith('ticks')).map((line) => Number(line.slice(6)));
  expect(ticks.reduce((sum, count) => sum + count, 0)).toBe(10);
});

test('input of a turn is handled before its ticks: a heartbeat that waited is heard before a time-out', () => {
  const { clock, loop, log } = start();
  clock.setTimer(10, () => {
    loop.enter();
    log.push('heartbeat');
  });
  clock.advanceBy(10);
  expect(log.indexOf('heartbeat')).toBeLessThan(log.indexOf('ticks 1'));
});

test('a process that stood still knows it before the first input, and does not make up for the ticks', () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  let frozen = 0;
  // A clock that jumps is what a stopped process sees.
  const jumping = {
    monotonicMs: () => clock.monotonicMs() + frozen,
    unixMs: () => clock.unixMs(),
    setTimer: clock.setTimer.bind(clock),
    defer: clock.defer.bind(clock),
  };
  const loop = new TurnLoop(jumping, 10, 75, {
    onTicks: (count) => log.push(`ticks ${count}`),
    onPause: (gapMs) => log.push(`pause ${gapMs}`),
    onTurnEnd: () => log.push('end'),
  });
  loop.start();
  clock.advanceBy(15);
  log.length = 0;
  frozen = 5000;
  loop.enter();
  log.push('input');
  clock.advanceBy(0);
  expect(log).toEqual(['pause 5005', 'input', 'end']);
});

test('a pause in the middle of a turn is known before the turn ends', () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  let frozen = 0;
  const jumping = {
    monotonicMs: () => clock.monotonicMs() + frozen,
    unixMs: () => clock.unixMs(),
    setTimer: clock.setTimer.bind(clock),
    defer: clock.defer.bind(clock),
  };
  const loop = new TurnLoop(jumping, 10, 75, {
    onTicks: () => undefined,
    onPause: (gapMs) => log.push(`pause ${gapMs}`),
    onTurnEnd: () => log.push('end'),
  });
  loop.start();
  loop.enter();
  frozen = 200;
  clock.advanceBy(0);
  expect(log).toEqual(['pause 200', 'end']);
});

test('after stop nothing happens any more', () => {
  const { clock, loop, log } = start();
  loop.stop();
  clock.advanceBy(1000);
  expect(log).toEqual([]);
});
