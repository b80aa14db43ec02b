import { NodeError } from './errors.ts';
import type { DledgerNode, NodeHandlers, NodePorts } from './node-interface.ts';
import { Node } from './node.ts';
import { checkOptions, type NodeOptions } from './options.ts';
import type { NodeStatus } from '../wire/status-schema.ts';

/**
 * Opens the data directory, recovers, listens and takes part in the cluster.
 * @throws NodeError where the options or the data directory do not allow it. A port in use comes through `onFatal`.
 */
export function startNode(options: NodeOptions, ports: NodePorts, handlers: NodeHandlers): DledgerNode {
  checkOptions(options);
  return new Host(options, ports, handlers);
}

/**
 * One node to its process, and one after the other inside: when a snapshot is to take the place of the log, the node ends
 * and another begins from what is on disk then. So what a snapshot changes is changed nowhere but at a start, where
 * everything is made from the disk anyway, and where a crash in the middle of it ends up too.
 */
class Host implements DledgerNode {
  readonly #options: NodeOptions;
  readonly #ports: NodePorts;
  readonly #handlers: NodeHandlers;
  #node: Node;
  #isReady = false;
  #isStopping = false;

  constructor(options: NodeOptions, ports: NodePorts, handlers: NodeHandlers) {
    this.#options = options;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#node = this.#begin();
  }

  status(): NodeStatus {
    return this.#node.status();
  }

  stop(options: { readonly handOver: boolean; readonly timeoutMs: number }, done: () => void): void {
    this.#isStopping = true;
    this.#node.stop(options, done);
  }

  #begin(): Node {
    return new Node(this.#options, this.#ports, {
      onEvent: (event) => this.#handlers.onEvent(event),
      onReady: (status) => {
        if (!this.#isReady) this.#handlers.onReady(status);
        this.#isReady = true;
      },
      onFatal: (error) => this.#handlers.onFatal(error),
      onReplaced: () => this.#replace(),
    });
  }

  #replace(): void {
    if (this.#isStopping) return;
    try {
      this.#node = this.#begin();
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      this.#handlers.onFatal(error);
    }
  }
}
