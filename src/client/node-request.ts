import { decodeError, errorInfo, type ErrorInfo } from '../wire/errors.ts';
import { FrameKind, encodeFrame } from '../wire/frame.ts';
import type { Endpoint } from './endpoint.ts';
import type { ClientPorts } from './leader-link.ts';
import { Session } from './session.ts';

export interface NodeRequest<T> {
  readonly kind: FrameKind;
  readonly body: Uint8Array;
  /** May throw WireError: then the answer counts for nothing. */
  readonly decode: (body: Uint8Array) => T;
  readonly timeoutMs: number;
}

/**
 * Asks one node, whoever leads, on a connection of its own: works without a leader, and one node that hangs holds up
 * no other answer.
 * @param done with the answer, or with why there is none. Called once, in a later turn.
 */
export function askNode<T>(
  endpoint: Endpoint,
  clusterId: string | null,
  { kind, body, decode, timeoutMs }: NodeRequest<T>,
  ports: ClientPorts,
  done: (error: ErrorInfo | null, answer: T | null) => void,
): void {
  let isAsked = false;
  const end = (error: ErrorInfo | null, answer: T | null): void => {
    timer.cancel();
    session.close();
    done(error, answer);
  };
  const giveUp = (why: string): void => end(errorInfo(isAsked ? 'TIMEOUT_UNKNOWN' : 'TIMEOUT', why), null);
  const timer = ports.clock.setTimer(timeoutMs, () => giveUp(`no answer within ${timeoutMs} ms`));
  const session: Session = new Session(endpoint, clusterId, ports, {
    onGreeted: () => {
      isAsked = true;
      session.send(encodeFrame(kind, 1, [body]));
    },
    onFrame: (frame) => {
      if (frame.kind === FrameKind.ERROR) end(decodeError(frame.body), null);
      else end(null, decode(frame.body));
    },
    onClosed: (why, refusal) => {
      if (refusal === null) giveUp(why);
      else end(refusal, null);
    },
  });
}
