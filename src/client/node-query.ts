import { decodeStatusResult } from '../wire/client-codec.ts';
import { decodeError } from '../wire/errors.ts';
import { FrameKind, encodeFrame } from '../wire/frame.ts';
import type { NodeStatus } from '../wire/status-schema.ts';
import type { Endpoint } from './endpoint.ts';
import type { ClientPorts } from './leader-link.ts';
import { Session } from './session.ts';

/**
 * Asks one node, whoever leads, what it says of itself, on a connection of its own: works without a leader, and one
 * node that hangs holds up no other answer.
 * @param done with the status, or why there is none.
 */
export function queryStatus(
  endpoint: Endpoint,
  clusterId: string | null,
  timeoutMs: number,
  ports: ClientPorts,
  done: (status: NodeStatus | null, why: string) => void,
): void {
  let isOver = false;
  const end = (status: NodeStatus | null, why: string): void => {
    if (isOver) return;
    isOver = true;
    timer.cancel();
    session.close();
    done(status, why);
  };
  const timer = ports.clock.setTimer(timeoutMs, () => end(null, `no answer within ${timeoutMs} ms`));
  const session: Session = new Session(endpoint, clusterId, ports, {
    onGreeted: () => session.send(encodeFrame(FrameKind.STATUS, 1, [])),
    onFrame: (frame) => {
      if (frame.kind === FrameKind.STATUS_RESULT) end(decodeStatusResult(frame.body), '');
      else if (frame.kind === FrameKind.ERROR) end(null, decodeError(frame.body).message);
    },
    onClosed: (why) => end(null, why),
  });
}
