// Loaded into each node of a profiled cluster (NODE_OPTIONS=--import): SIGUSR2 begins to look, another one writes down what was seen.
// Plain JavaScript, because the oldest Node that runs a broker takes nothing else.
import fs from 'node:fs';
import { Session } from 'node:inspector/promises';
import path from 'node:path';

const ALLOCATION_SAMPLE_BYTES = 16 * 1024;
const CPU_SAMPLE_US = 500;

/** What a look at this process brings: the processor's time by function, and allocations by function, freed since or not. */
export class Probe {
  #session = new Session();

  async begin() {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.setSamplingInterval', { interval: CPU_SAMPLE_US });
    await this.#session.post('HeapProfiler.startSampling', {
      samplingInterval: ALLOCATION_SAMPLE_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await this.#session.post('Profiler.start');
  }

  async end() {
    const { profile: cpu } = await this.#session.post('Profiler.stop');
    const { profile: heap } = await this.#session.post('HeapProfiler.stopSampling');
    this.#session.disconnect();
    return { cpu, heap };
  }
}

const directory = process.env['DLEDGER_PROFILE_DIRECTORY'];
if (directory !== undefined && process.argv.includes('start')) {
  /** @type {Probe | null} */
  let probe = null;
  const look = async () => {
    if (probe === null) {
      probe = new Probe();
      await probe.begin();
      return;
    }
    const seen = await probe.end();
    probe = null;
    const file = path.join(directory, `${process.pid}.json`);
    fs.writeFileSync(`${file}.tmp`, JSON.stringify(seen));
    fs.renameSync(`${file}.tmp`, file);
  };
  process.on('SIGUSR2', () => void look());
}
