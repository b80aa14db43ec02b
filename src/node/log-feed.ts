import type { LogRead, RaftCore } from '../raft/index.ts';
import { WalRotError, type Wal } from '../wal/index.ts';
import type { Announce } from './announcement.ts';

export interface LogFeedParts {
  readonly core: RaftCore;
  readonly wal: Wal;
  readonly enter: () => void;
  readonly onRot: (error: WalRotError) => void;
  readonly event: Announce;
}

/** Brings the core what it wants to send to a follower and does not have in memory any more. */
export class LogFeed {
  readonly #parts: LogFeedParts;

  constructor(parts: LogFeedParts) {
    this.#parts = parts;
  }

  read(request: LogRead): void {
    const { core, wal, enter, onRot, event } = this.#parts;
    const { to, firstIndex, entriesMax, bytesMax } = request;
    wal.read(firstIndex, entriesMax, bytesMax, (error, entries, previousChecksum) => {
      enter();
      if (error !== null)
        event('warn', 'log-read-failed', `cannot read the log for ${to}: ${error.message}`, { peer: to });
      core.logRead(request, error === null ? entries : [], previousChecksum);
      if (error instanceof WalRotError) onRot(error);
    });
  }
}
