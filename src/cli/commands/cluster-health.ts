import { setTimeout as wait } from 'node:timers/promises';
import { usageError } from '../cli-error.ts';
import { SURVEY_TIMEOUT, sourcesOf, survey, timeoutOf } from '../cluster-client.ts';
import { flag, text, type Call, type Command } from '../command.ts';
import { ExitCode } from '../exit-code.ts';
import { healthLine, judgeHealth, type Health } from '../health.ts';
import { say, writeAnswer } from '../output.ts';

/** Between two looks of `--watch`. */
const LOOK_EVERY_MS = 250;

export const clusterHealth: Command = {
  path: 'cluster health',
  describe: 'whether all is well, and every reason why not; 10 where it is not',
  isClient: true,
  flags: [
    SURVEY_TIMEOUT,
    { name: 'watch', type: 'boolean', describe: 'go on, with a line for each change', default: false },
    {
      name: 'until',
      type: 'string',
      describe: 'with --watch: end with 0 once it is so, or with 10 after --timeout',
      choices: ['healthy'],
    },
  ],
  examples: [['$0 cluster health --watch --until healthy --timeout 60s', 'wait until all is well']],
  run: async (call) => {
    const until = text(call, 'until');
    if (until !== null && !flag(call, 'watch')) throw usageError('--until goes with --watch');
    return flag(call, 'watch') ? watch(call, until !== null) : look(call);
  },
};

async function look(call: Call): Promise<number> {
  const status = await survey(call);
  const health = judgeHealth(status);
  await show(call, health, sourcesOf(status));
  return exitOf(health);
}

async function watch(call: Call, isEndingWell: boolean): Promise<number> {
  const deadline = Date.now() + timeoutOf(call);
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  let told = '';
  try {
    for (;;) {
      const health = judgeHealth(await survey(call));
      const line = [healthLine(health), ...health.reasons].join('; ');
      if (line !== told) say(line);
      told = line;
      if (isEndingWell && (health.state === 'healthy' || Date.now() >= deadline)) {
        await show(call, health, []);
        return exitOf(health);
      }
      await wait(LOOK_EVERY_MS, undefined, { signal: interrupted.signal });
    }
  } catch (error) {
    if (interrupted.signal.aborted) return ExitCode.interrupted;
    throw error;
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
}

async function show(call: Call, health: Health, sources: ReturnType<typeof sourcesOf>): Promise<void> {
  await writeAnswer(
    {
      kind: 'ClusterHealth',
      data: health,
      sources,
      table: () => [[healthLine(health)], ...health.reasons.map((reason) => [`  ${reason}`])],
    },
    call.format,
    call.now(),
  );
}

function exitOf({ state }: Health): number {
  if (state === 'healthy') return ExitCode.ok;
  return state === 'unreachable' ? ExitCode.unreachable : ExitCode.unhealthy;
}
