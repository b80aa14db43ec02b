import type { LogIndex } from '../../src/base/units.ts';
import { parseEndpoint } from '../../src/client/endpoint.ts';
import { realPorts } from '../../src/client/real-ports.ts';
import { Session } from '../../src/client/session.ts';
import { encodeRead } from '../../src/wire/client-codec.ts';
import { encodeFrame, FrameKind } from '../../src/wire/frame.ts';

const DEADLINE_MS = 10_000;
const READ = encodeRead({
  from: 1 as LogIndex,
  entriesMax: 1,
  bytesMax: 1024,
  waitMs: 0,
  deadlineMs: DEADLINE_MS,
  consistency: 'linearizable',
});

/**
 * One connection to one node, open before it is needed. A leader serves a linearizable read when it has committed an
 * entry of its term: asked as soon as it is elected, it tells when that was, apart from what a client does to find it.
 */
export class ReadProbe {
  readonly #address: string;
  readonly #ports = realPorts();
  #session: Session | null = null;
  #isUp = false;
  #onServed: (() => void) | null = null;

  constructor(address: string) {
    this.#address = address;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Connects, unless it has: a node that was gone is connected to anew. */
  open(): void {
    if (this.#session !== null) return;
    const endpoint = parseEndpoint(this.#address);
    if (endpoint === null) throw new Error(`${this.#address} is no address`);
    this.#session = new Session(endpoint, null, this.#ports, {
      onGreeted: () => {
        this.#isUp = true;
      },
      onFrame: ({ kind }) => {
        if (kind === FrameKind.READ_RESULT) this.#onServed?.();
      },
      onClosed: () => {
        this.#session = null;
        this.#isUp = false;
      },
    });
  }

  /** Does nothing where there is no connection. A later question replaces the one before. */
  ask(onServed: () => void): void {
    this.#onServed = onServed;
    if (this.#isUp) this.#session?.send(encodeFrame(FrameKind.READ, 1, [READ]));
  }

  close(): void {
    this.#session?.close();
  }
}
