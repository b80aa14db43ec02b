import type { Send } from '../closed-loop.ts';

/** Another system that does the same work: three processes on the loopback, on the same disk. */
export interface Peer {
  readonly name: string;
  /** What an acknowledgement of it means, for whoever compares. */
  readonly promise: string;
  /** The program it needs, and the Debian package that has it. */
  readonly program: string;
  readonly debianPackage: string;
  start(directory: string): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly pids: readonly number[];
  readonly leaderPid: number | null;
  /** Where their data is. */
  readonly directory: string;
  /** How often all of them have synced their logs; absent where they do not count. */
  readonly syncs?: () => Promise<number>;
  /** A client that speaks the protocol itself, so that it is not what is measured. */
  connect(recordBytes: number): Promise<PeerClient>;
  stop(): Promise<void>;
}

export interface PeerClient {
  /** Stores one record. */
  readonly send: Send;
  close(): void;
}
