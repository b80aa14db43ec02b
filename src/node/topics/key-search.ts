import { hashText } from '../../base/message.ts';
import { encodeUtf8 } from '../../base/utf8.ts';
import type { LogIndex } from '../../base/units.ts';
import type { StateMachine, Topic } from '../../broker/index.ts';
import type { KeyPlace, QueueStore } from '../../queue/index.ts';
import type { FoundRecord } from '../../wire/broker-schema.ts';
import type { LogAccess } from '../log-access.ts';
import { ordinalsWithKey } from './batch-filter.ts';

export interface KeySearchParts {
  readonly machine: StateMachine;
  readonly queues: QueueStore;
  readonly log: LogAccess;
}

/**
 * Records of a topic with this key, newest first. The index knows hashes; each batch that it names is read, and looked
 * through for the key itself.
 */
export function findByKey(
  { machine, queues, log }: KeySearchParts,
  topic: Topic,
  key: string,
  max: number,
  done: (error: Error | null, found: FoundRecord[]) => void,
): void {
  const bytes = encodeUtf8(key);
  const found: FoundRecord[] = [];
  const seen = new Set<LogIndex>();

  const look = (place: KeyPlace, then: () => void): void => {
    const queue = machine.queue(place.queue);
    // A key that was found may be of a batch that has gone with the beginning of the log.
    const isGone = place.index < log.firstIndex;
    if (
      isGone ||
      queue === null ||
      queue.topic !== topic ||
      seen.has(place.index) ||
      machine.isVoided(place.index)
    ) {
      then();
      return;
    }
    seen.add(place.index);
    log.read(place.index, place.index, 0, (error, entries) => {
      const [entry] = entries;
      const ordinals = entry === undefined ? [] : ordinalsWithKey(entry, bytes);
      if (error !== null) done(error, []);
      else if (ordinals.length === 0) then();
      else collect(place, ordinals, then);
    });
  };

  const collect = (place: KeyPlace, ordinals: readonly number[], then: () => void): void => {
    queues.find(place.queue, 'index', place.index, (error, unit) => {
      const queue = machine.queue(place.queue);
      if (error !== null) {
        done(error, []);
        return;
      }
      if (queue !== null && unit?.index === place.index) {
        for (const ordinal of ordinals.toReversed()) {
          const offset = unit.baseOffset + ordinal;
          // What retention has taken is not found any more, although the log still has it.
          if (offset >= queue.firstOffset && found.length < max)
            found.push({ id: queue.id, ordinal: queue.ordinal, offset, index: place.index });
        }
      }
      then();
    });
  };

  queues.lookup(
    hashText(key),
    (places, next) => {
      const step = (at: number): void => {
        const place = places[at];
        if (found.length >= max) done(null, found);
        else if (place === undefined) next();
        else look(place, () => step(at + 1));
      };
      step(0);
    },
    (error) => done(error, found),
  );
}
