import type { LogIndex, Term } from '../base/units.ts';
import type { Rejection } from './producer-sessions.ts';

/** What applying an entry came to: the same on all nodes. */
export type ApplyResult =
  /** The batch is stored: its records may be read. `baseOffset`: of its first record; null in the raw log. */
  | { readonly result: 'accepted'; readonly baseOffset: number | null }
  /** The batch had been stored before, there; this copy is void. */
  | {
      readonly result: 'duplicate';
      readonly index: LogIndex;
      readonly term: Term;
      readonly baseOffset: number | null;
    }
  | { readonly result: 'producer-opened'; readonly producerId: number; readonly epoch: number }
  /** The batch was refused; it is void. */
  | { readonly result: 'rejected'; readonly rejection: Rejection }
  /** A command about topics or groups took effect. */
  | {
      readonly result: 'done';
      readonly outcome: CommandOutcome;
      /** Groups whose generation moved: their members want to know. */
      readonly regrouped: readonly string[];
    }
  /** A command changed nothing. */
  | { readonly result: 'refused'; readonly refusal: Refusal }
  /** The entry means nothing to the state machine. */
  | { readonly result: 'none' };

export type CommandOutcome =
  | { readonly type: 'topic-created'; readonly name: string }
  | { readonly type: 'topic-altered'; readonly name: string }
  | {
      readonly type: 'topic-deleted';
      readonly name: string;
      readonly topicId: number;
      readonly firstQueue: number;
      readonly queueCount: number;
    }
  /** Those that were raised, with where they begin now. */
  | { readonly type: 'first-offset-raised'; readonly offsets: readonly QueueOffset[] }
  /** The log begins here now, for whoever reads it. */
  | { readonly type: 'log-trimmed'; readonly firstIndex: LogIndex }
  | {
      readonly type: 'group-joined';
      readonly group: string;
      readonly memberId: number;
      readonly generation: number;
      /** The member whose place it took; null: a new one. */
      readonly replaced: number | null;
    }
  | { readonly type: 'group-left'; readonly group: string; readonly memberId: number }
  | { readonly type: 'members-expired'; readonly group: string; readonly memberIds: readonly number[] }
  /** `wasRepeated`: an older or equal sequence; nothing changed, and what it asked for had been done before. */
  | { readonly type: 'positions-committed'; readonly group: string; readonly wasRepeated: boolean }
  | { readonly type: 'positions-reset'; readonly group: string }
  | { readonly type: 'group-deleted'; readonly group: string };

export interface QueueOffset {
  readonly queue: number;
  readonly offset: number;
}

/** The codes are those that clients get. */
export type RefusalCode =
  | 'BAD_NAME'
  | 'TOPIC_EXISTS'
  | 'UNKNOWN_TOPIC'
  | 'UNKNOWN_GROUP'
  | 'STALE_MEMBER'
  | 'GROUP_NOT_EMPTY'
  | 'OFFSET_OUT_OF_RANGE'
  | 'LIMIT_EXCEEDED';

export interface Refusal {
  readonly code: RefusalCode;
  /** For people, with names and numbers. */
  readonly text: string;
  /** OFFSET_OUT_OF_RANGE: what the queue holds. */
  readonly firstOffset: number | null;
  readonly endOffset: number | null;
}

export function refusal(code: RefusalCode, text: string): Refusal {
  return { code, text, firstOffset: null, endOffset: null };
}
