import { DiskError } from '../base/ports/disk.ts';
import { NodeError } from './errors.ts';
import { diskFailure } from './failures.ts';
import type { DledgerNode, NodeHandlers, NodePorts } from './node-interface.ts';
import { Node } from './node.ts';
import { checkOptions, type NodeOptions } from './options.ts';
import { Restoration } from './repair/restoration.ts';
import type { NodeStatus } from '../wire/status-schema.ts';

/**
 * Opens the data directory, recovers, listens and takes part in the cluster.
 * @throws NodeError where the options or the data directory do not allow it. A port in use comes through `onFatal`.
 */
export function startNode(options: NodeOptions, ports: NodePorts, handlers: NodeHandlers): DledgerNode {
  checkOptions(options);
  return new Host(options, ports, handlers);
}

/** So often the same damage is mended at one start. */
const MENDED_MAX = 3;

/**
 * One node to its process, and one after the other inside: when a snapshot is to take the place of the log, the node ends
 * and another begins from what is on disk then. So what a snapshot changes is changed nowhere but at a start, where
 * everything is made from the disk anyway, and where a crash in the middle of it ends up too. Before the first one a
 * damaged log is mended.
 */
class Host implements DledgerNode {
  readonly #options: NodeOptions;
  readonly #ports: NodePorts;
  readonly #handlers: NodeHandlers;
  /** What is at work: a log is mended, or a node runs. */
  #work: Node | Restoration;
  /** The damage that was mended last, and how often in a row. */
  #mended = { message: '', times: 0 };
  #isReady = false;
  #isStopping = false;

  constructor(options: NodeOptions, ports: NodePorts, handlers: NodeHandlers) {
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#work = this.#begin();
  }

  stop(options: { readonly handOver: boolean; readonly timeoutMs: number }, done: () => void): void {
    this.#isStopping = true;
    if (this.#work instanceof Node) {
      this.#work.stop(options, done);
      return;
    }
    this.#work.stop();
    this.#ports.clock.defer(done);
  }

  status(): NodeStatus | null {
    return this.#work instanceof Node ? this.#work.status() : null;
  }

  /** @throws NodeError */
  #begin(): Node | Restoration {
    try {
      return new Node(this.#options, this.#ports, {
        onEvent: (event) => this.#handlers.onEvent(event),
        onReady: (status) => {
          if (!this.#isReady) this.#handlers.onReady(status);
          this.#isReady = true;
        },
        onFatal: (error) => this.#handlers.onFatal(error),
        onReplaced: () => this.#beginAgain(),
      });
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      const { message, times } = this.#mended;
      // The same again and again: what is put back does not stay.
      if (error.message === message && times >= MENDED_MAX) throw error;
      return this.#restore(error);
    }
  }

  #restore(refusal: NodeError): Restoration {
    try {
      const restoration = Restoration.of(refusal, this.#options, this.#ports, {
        onEvent: (event) => this.#handlers.onEvent(event),
        onMended: () => {
          const { message } = refusal;
          this.#mended = { message, times: message === this.#mended.message ? this.#mended.times + 1 : 1 };
          this.#beginAgain();
        },
        onHopeless: (error) => this.#handlers.onFatal(error),
      });
      if (restoration !== null) return restoration;
    } catch (error) {
      if (error instanceof DiskError) throw diskFailure(error);
      throw error;
    }
    throw refusal;
  }

  #beginAgain(): void {
    if (this.#isStopping) return;
    try {
      this.#work = this.#begin();
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      this.#handlers.onFatal(error);
    }
  }
}
