import { decodeStatusResult } from '../wire/client-codec.ts';
import type { ErrorInfo } from '../wire/errors.ts';
import { FrameKind } from '../wire/frame.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import { formatEndpoint, type Endpoint } from './endpoint.ts';
import { RefusedError, UnreachableError, type DledgerError } from './errors.ts';
import type { ClientPorts } from './leader-link.ts';
import { askNode } from './node-request.ts';
import { Session } from './session.ts';

const NO_BYTES = new Uint8Array(0);

/**
 * Asks one node, whoever leads, what it says of itself, on a connection of its own: works without a leader, and one
 * node that hangs holds up no other answer.
 * @param done with the status, or why there is none. Called once, in a later turn.
 */
export function queryStatus(
  endpoint: Endpoint,
  clusterId: string | null,
  timeoutMs: number,
  ports: ClientPorts,
  done: (status: NodeStatus | null, why: string) => void,
): void {
  const request = { kind: FrameKind.STATUS, body: NO_BYTES, decode: decodeStatusResult, timeoutMs };
  askNode(endpoint, clusterId, request, ports, (error, status) => done(status, error?.message ?? ''));
}

/**
 * Waits until one of the nodes greets back.
 * @param done with null, or with why none does: what a node refuses this client for, or else each address and what
 * happened there. Called once, in a later turn.
 */
export function findAny(
  endpoints: readonly Endpoint[],
  clusterId: string | null,
  ports: ClientPorts,
  done: (error: DledgerError | null) => void,
): void {
  const sessions: Session[] = [];
  const failures = new Map<Endpoint, string>();
  let refused: ErrorInfo | null = null;
  let isOver = false;
  const end = (error: DledgerError | null): void => {
    if (isOver) return;
    isOver = true;
    for (const session of sessions) session.close();
    done(error);
  };
  for (const endpoint of endpoints) {
    const onClosed = (why: string, refusal: ErrorInfo | null): void => {
      failures.set(endpoint, why);
      if (refusal !== null && !refusal.retryable) refused ??= refusal;
      if (failures.size < endpoints.length) return;
      const tried = endpoints.map((each) => `${formatEndpoint(each)} ${failures.get(each) ?? ''}`).join('; ');
      if (refused !== null)
        end(new RefusedError({ ...refused, message: `no node takes this client: ${tried}` }));
      else end(new UnreachableError(`no node answers: ${tried}`));
    };
    sessions.push(
      new Session(endpoint, clusterId, ports, {
        onGreeted: () => end(null),
        onFrame: () => undefined,
        onClosed,
      }),
    );
  }
}
