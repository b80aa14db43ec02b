import { runSeed, type SeedJob } from './seeds.ts';

// Runs the seeds that the campaign in the parent process hands out, one after the other.
process.on('message', (job: SeedJob) => {
  process.send?.(runSeed(job));
});
// The campaign prints what it has when it is interrupted, and ends its workers itself.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit());
