import { channel, type Channel } from 'node:diagnostics_channel';
import type { DledgerError } from './errors.ts';
import type { GivenQueue } from './consumer-core.ts';
import type { ReadQueue } from './queue-reader.ts';
import type { Produced } from './topic-producer-core.ts';

/**
 * What happens in this library, for whoever subscribes to `node:diagnostics_channel`: metrics, traces, logs. Names are
 * stable; without a subscriber nothing is made.
 */
export interface DiagnosticEvents {
  /** A record of a topic was answered. */
  'dledger:produce': { readonly topic: string; readonly tookMs: number } & (
    | { readonly produced: Produced; readonly error: null }
    | { readonly produced: null; readonly error: DledgerError }
  );
  /** A page was handed to a consumer. */
  'dledger:consume': {
    readonly topic: string;
    readonly queue: number;
    readonly firstOffset: number;
    readonly records: number;
  };
  'dledger:assigned': { readonly group: string | null; readonly queues: readonly GivenQueue[] };
  'dledger:revoked': { readonly group: string | null; readonly queues: readonly ReadQueue[] };
  'dledger:lost': {
    readonly group: string | null;
    readonly queues: readonly ReadQueue[];
    readonly why: string;
  };
  'dledger:committed': {
    readonly group: string | null;
    /** By number of the queue in the cluster. */
    readonly positions: readonly { readonly queue: number; readonly offset: number }[];
  };
}

type Name = keyof DiagnosticEvents;

const CHANNELS: { readonly [N in Name]: Channel } = {
  'dledger:produce': channel('dledger:produce'),
  'dledger:consume': channel('dledger:consume'),
  'dledger:assigned': channel('dledger:assigned'),
  'dledger:revoked': channel('dledger:revoked'),
  'dledger:lost': channel('dledger:lost'),
  'dledger:committed': channel('dledger:committed'),
};

/** Whether anybody listens: for what costs something to tell. */
export function isObserved(name: Name): boolean {
  return CHANNELS[name].hasSubscribers;
}

/** @param make is only called where somebody listens. */
export function publish<N extends Name>(name: N, make: () => DiagnosticEvents[N]): void {
  const its = CHANNELS[name];
  if (its.hasSubscribers) its.publish(make());
}
