import { Prng } from '../base/prng.ts';
import { RealClock } from '../platform/real-clock.ts';
import { TcpNetwork } from '../platform/tcp-network.ts';
import type { ClientPorts } from './leader-link.ts';

/** The machine's network and clock, and chance seeded from where no two processes agree. */
export function realPorts(): ClientPorts {
  const clock = new RealClock();
  return { network: new TcpNetwork(), clock, prng: new Prng(clock.unixMs() * 4096 + (process.pid % 4096)) };
}
