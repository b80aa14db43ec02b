import type { ProducerStamp } from '../base/batch.ts';
import type { Refusal, Rejection } from '../broker/index.ts';
import { errorInfo, type ErrorInfo } from '../wire/errors.ts';

/** What the state machine refuses, as clients are told. */

/** A command that changed nothing. */
export function refusalError({ code, text, firstOffset, endOffset }: Refusal): ErrorInfo {
  return errorInfo(code, text, { firstIndex: firstOffset, lastIndex: endOffset });
}

/** A batch that is not stored. @param stamp null where it was found out only when the batch was applied. */
export function rejectionError(rejection: Rejection, stamp: ProducerStamp | null): ErrorInfo {
  const who = stamp === null ? 'the producer' : `producer ${stamp.producerId}`;
  switch (rejection.verdict) {
    case 'out-of-order':
      return errorInfo(
        'OUT_OF_ORDER',
        `${who} must send sequence ${rejection.expected} next${stamp === null ? '' : `, not ${stamp.sequence}`}`,
      );
    case 'session-expired':
      return errorInfo(
        'SESSION_EXPIRED',
        `${who} is not known (any more): whether earlier batches of it were stored is unknown`,
      );
    case 'stale-epoch':
      return errorInfo('STALE_EPOCH', `${who} was taken over in epoch ${rejection.epoch}`);
    case 'unknown-queue':
      return errorInfo('UNKNOWN_TOPIC', `there is no queue ${rejection.queue}, or not any more`);
    case 'message-format':
      return errorInfo('MESSAGE_FORMAT', 'a record of the batch is no message');
  }
}
