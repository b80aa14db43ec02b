import { decodeAdminResult, encodeAdmin, type TopicInfo } from '../wire/broker-schema.ts';
import { FrameKind } from '../wire/frame.ts';
import { WireError } from '../wire/wire-error.ts';
import type { DledgerError } from './errors.ts';
import type { Request, RequestChannel } from './request-channel.ts';

export type Found = (error: DledgerError | null, topic: TopicInfo | null) => void;

/** What queues topics have: asked once for each topic, by whoever needs it first. */
export class TopicDirectory {
  readonly #channel: RequestChannel;
  readonly #known = new Map<string, TopicInfo>();
  readonly #asking = new Map<string, Found[]>();

  constructor(channel: RequestChannel) {
    this.#channel = channel;
  }

  /** At once where it is known, else in a later turn. Offsets are as of when it was asked. */
  find(name: string, timeoutMs: number, found: Found): void {
    const known = this.#known.get(name);
    if (known !== undefined) {
      found(null, known);
      return;
    }
    const others = this.#asking.get(name);
    if (others !== undefined) {
      others.push(found);
      return;
    }
    const waiting = [found];
    this.#asking.set(name, waiting);
    this.#channel.ask(describeTopic(name, timeoutMs), (error, topic) => {
      this.#asking.delete(name);
      if (topic !== null) this.#known.set(name, topic);
      for (const one of waiting) one(error, topic);
    });
  }

  /** It was deleted, and perhaps made again with other queues. */
  forget(name: string): void {
    this.#known.delete(name);
  }
}

export function describeTopic(name: string, timeoutMs: number): Request<TopicInfo> {
  return {
    kind: FrameKind.ADMIN,
    answerKind: FrameKind.ADMIN_RESULT,
    isRepeatable: true,
    timeoutMs,
    encode: (remainingMs) => encodeAdmin({ op: 'describeTopic', name, deadlineMs: Math.ceil(remainingMs) }),
    decode: (body) => {
      const result = decodeAdminResult(body);
      if (result.op === 'describeTopic') return result.topic;
      throw new WireError('BAD_BODY', `ADMIN_RESULT of ${result.op} answers describeTopic`);
    },
  };
}
