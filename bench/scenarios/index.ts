import type { Scenario } from '../scenario.ts';
import { appendScenario } from './append.ts';
import { READ } from './read.ts';
import { CONSUME, PRODUCE_256 } from './topic.ts';

export const SCENARIOS: readonly Scenario[] = [
  appendScenario('append-1', 1, 1),
  appendScenario('append-16', 16, 1),
  appendScenario('append-256', 256, 1),
  appendScenario('append-1024', 1024, 1),
  appendScenario('append-batch', 64, 100),
  PRODUCE_256,
  CONSUME,
  READ,
];
