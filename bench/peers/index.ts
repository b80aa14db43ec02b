import { ETCD } from './etcd.ts';
import { NATS } from './nats.ts';
import type { Peer } from './peer.ts';
import { REDIS } from './redis.ts';

export const PEERS: readonly Peer[] = [ETCD, NATS, REDIS];
