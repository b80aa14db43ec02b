/**
 * The bug museum: deliberately wrong behaviours, each behind a switch that is off. What systems of this kind got wrong
 * in production is switched on in a simulation, and the simulation must notice; one that it does not notice is a hole
 * in the simulation. docs/museum.md tells of each what it is and how soon it was caught.
 *
 * A switch acts in one line where the right behaviour is, so that this line says what the wrong one would be. The real
 * binary takes switches only from the environment variable DLEDGER_UNSAFE_MUTATIONS.
 */
export const MUTATION_NAMES = [
  // The consensus core.

  /**
   * A leader commits whatever a majority holds, whichever leader wrote it. Breaks section 5.4.2 of the Raft paper:
   * figure 8 shows how such an entry is overwritten after all. Nobody that we know of shipped it.
   */
  'commitsEntriesOfOlderTerms',
  /**
   * A vote goes to whoever asks first in a term, however far behind its log is. Breaks section 5.4.1: a leader must hold
   * all that is committed. Kafka's unclean leader election does so on purpose.
   */
  'votesWithoutComparingLogs',
  /**
   * A granted vote leaves before it is on disk. Breaks figure 2 ("updated on stable storage before responding"): a voter
   * that loses its power votes again in the same term. Had by DLedger, which never synced its vote file.
   */
  'votesBeforeSync',
  /** A start forgets for whom this node voted in its term. Breaks figure 2. DLedger may, after a power cut. */
  'forgetsVoteAtStart',
  /**
   * A follower acknowledges what is in its memory. Breaks figure 2: a majority that loses its power has nothing. Had by
   * NATS (synced every two minutes), DLedger (every ten milliseconds) and Kafka (by default).
   */
  'acknowledgesBeforeSync',
  /**
   * A follower acknowledges all that is on its disk, whether this leader knows of it or not. Breaks figure 2 (success
   * means "matching", not "durable"). Nobody that we know of shipped it.
   */
  'acknowledgesUnverified',
  /**
   * The end of a sync counts for entries that replaced, under the same indexes, those that were synced. Breaks figure 2.
   * Had by Ra, the Raft of RabbitMQ.
   */
  'countsStaleSyncs',
  /**
   * A leader counts itself among a majority before its own disk has the entry. Breaks what dissertation 10.2.1 allows
   * (to write in parallel, not to count early). Nobody that we know of shipped it.
   */
  'leaderCountsItselfBeforeSync',
  /**
   * A follower takes the commit index of a heartbeat for its own log, although that may hold another leader's entries
   * there. Breaks figure 2 (the commit index is bounded by the last new entry). Nobody that we know of shipped it.
   */
  'commitsWhatHeartbeatsSay',
  /**
   * A follower drops all behind the entry before those that it is sent, instead of all from the first that conflicts. An
   * append that was overtaken then cuts what was acknowledged since. Breaks figure 2; the Students' Guide to Raft warns of it.
   */
  'truncatesOnAnyAppend',
  /**
   * A node that hears of a new leader cuts its log back to what it knows to be committed. Breaks section 5.3 (followers
   * drop only what conflicts): what it had acknowledged is gone. Had by Kafka until leader epochs (KIP-101).
   */
  'truncatesToCommitOnNewLeader',
  /**
   * A leader answers linearizable reads by what it believes of itself. Breaks section 8: another may lead by now. Jepsen
   * found it in etcd and Consul (2014).
   */
  'readsWithoutQuorum',
  /**
   * A new leader answers reads before anything of its term is committed, when it may not know yet what its predecessor
   * acknowledged. Breaks section 8. Had by early versions of etcd's raft.
   */
  'readsBeforeTermStart',
  /**
   * Leadership is handed to a follower that has not everything yet, and for it voters compare no logs. Breaks
   * dissertation 3.10. Nobody that we know of shipped it.
   */
  'handsOverUnchecked',
  /**
   * A new leader writes no entry of its own. Breaks section 8: what its predecessor left is not committed until somebody
   * writes, and nobody may. Nobody that we know of shipped it.
   */
  'skipsNoop',
  /**
   * A member with an empty disk votes and counts as the one it was. Breaks what Raft asks of a member (that it keeps its
   * promises). Had by DLedger, etcd, NATS, and Kafka's KRaft before directory ids (KIP-853).
   */
  'countsWipedMembers',
  /** Half of the voters is a majority. Breaks section 5.2: with an even number two leaders are elected. */
  'halfIsAQuorum',
  /**
   * Entries of a leader whose term is over are taken. Breaks figure 2 ("reply false if term < currentTerm"). Nobody that
   * we know of.
   */
  'followsLeadersOfOlderTerms',
  /**
   * Whoever misses the leader raises the term and stands for election, without asking first whether it could win. Breaks
   * dissertation 9.6. Nothing is lost by it, only time, again and again. What the Raft paper itself describes; had by etcd
   * before 3.5.
   */
  'campaignsWithoutPreVote',
  /**
   * A voter helps whoever asks, however recently it heard the leader; a leader gives way to any candidate. Breaks
   * dissertation 4.2.3. Had by DLedger: any request of a higher term turns its receivers into candidates.
   */
  'votesAgainstLivingLeaders',
  /**
   * A follower takes in a snapshot of what it has already: log and state go back. Breaks section 7 (what follows the
   * snapshot in the log is retained). Nobody that we know of shipped it.
   */
  'installsOlderSnapshots',

  // The log.

  /**
   * Entries are reported durable when they were written, and nothing is synced. NATS, DLedger and Kafka sync now and then;
   * all lose acknowledged data when the power of a majority fails.
   */
  'skipsLogSync',
  /** Term and vote are reported durable when they were written. Breaks figure 2. Had by DLedger. */
  'skipsHardStateSync',
  /**
   * What a start finds in the file counts as durable, although it may lie in the page cache only. Breaks the rule of
   * docs/wal-format.md, "Opening". Nobody that we know of was caught with it.
   */
  'trustsPageCacheAtStart',
  /** A new segment's name is not synced: a power cut takes the file away. ALICE (2014) found its like in many. */
  'skipsDirectorySync',
  /**
   * The watermark speaks of a block whose sync is under way. Breaks docs/wal-format.md: a torn tail then looks like rot,
   * and the node never starts again.
   */
  'watermarkAheadOfSync',
  /**
   * The remains of a torn write stay where they are, and later blocks are written over them. Breaks docs/wal-format.md:
   * nobody can tell them from rot any more.
   */
  'leavesTornTail',
  /**
   * What does not verify at the end of the log is cut like a torn write, whatever was durable there. Breaks docs/wal-format.md, "Opening".
   * Most logs do so: "Protocol-Aware Recovery" (FAST 2018) counts ZooKeeper and LogCabin among them.
   */
  'cutsRotAsTorn',
  /**
   * What is read from disk is handed on unless its length is impossible. Breaks the rule that what does not verify is served to
   * nobody. Had by DLedger, whose reads compare no checksum.
   */
  'readsUnverified',
  /**
   * What another node has at an index is put in the place of what does not verify, if it fits. Breaks docs/wal-format.md,
   * "Mending": it may be of another log. Nobody that we know of.
   */
  'mendsUnproven',
  /**
   * A sync that failed is taken for done when it is tried again. The kernel called the pages clean, and they are lost.
   * Had by PostgreSQL until 2018 ("fsyncgate"), and many others.
   */
  'retriesFailedSyncs',
  /**
   * A snapshot takes the place of the log before it is synced. Breaks figure 13 ("save snapshot file, discard the log", in
   * this order). Nobody that we know of was caught with it.
   */
  'installsUnsyncedSnapshots',
  /**
   * A block that found no room on the disk is reported durable. Breaks docs/wal-format.md, "A full disk". Its like: whoever
   * does not look at what a write returns.
   */
  'countsWhatFoundNoRoom',
  /**
   * That term and vote have passed by a log that waits for room is taken for the log being there too. Breaks figure 2: what
   * is acknowledged lies in memory. Nobody that we know of shipped it.
   */
  'takesTheVoteForTheLog',
  /**
   * On a full disk a vote leaves that was not written. Breaks figure 2: after a power cut the voter votes again. Nobody that
   * we know of shipped it.
   */
  'votesUnwrittenOnFullDisks',
  /**
   * The part of a block that still found room stays where it is, and the block is written again behind it. Breaks
   * docs/wal-format.md: a torn write in the middle of a log is rot. Nobody that we know of shipped it.
   */
  'writesBehindHalfABlock',

  // The node and the state machine.

  /** A write is answered when the leader has put it into its own log. Kafka does so with acks=1, on request. */
  'acknowledgesOnPropose',
  /**
   * A leader applies, and answers, what is in its log and not committed. Breaks figure 2 (apply up to the commit index).
   * DLedger's leader reads out what is not committed.
   */
  'appliesUncommitted',
  /**
   * Committed entries are read from disk for applying behind what is durable, where entries may lie that the log has
   * dropped. Had by this project, until its simulator found it.
   */
  'appliesDroppedEntries',
  /**
   * The commit index kept for the next start names an entry that is not on disk yet; there another may lie, dropped
   * since. Had by this project, until its simulator found it.
   */
  'hintsCommitAheadOfDisk',
  /** A checkpoint is written of entries that this node's own log may still lose. Breaks dissertation 5.1. */
  'checkpointsAheadOfLog',
  /**
   * Segments go as soon as retention says so, though no checkpoint has what they held. Breaks section 7: there is no way
   * back to the state that the rest of the log goes on from. Nobody that we know of shipped it.
   */
  'trimsAheadOfCheckpoints',
  /**
   * Segments go as far as the newest checkpoint has what they held, whatever was decided to go. It is how a log is compacted
   * in section 7, where nobody reads the log; here it takes records that are to be kept, from one node and not from another.
   */
  'trimsToTheNewestCheckpoint',
  /** Checkpoints leave the producers out: after a start a node judges retries differently from the others. */
  'losesProducersAtStart',
  /**
   * Retries are not recognised: the same batch is stored again. Breaks section 8 (sessions). Had by DLedger, Kafka
   * before idempotent producers, NATS without message ids.
   */
  'storesRetriesAgain',
  /** A topic's batch that was answered already is answered, when it is retried, with the next offset. Nobody that we know of. */
  'answersRetriesOneFurther',
  /** A linearizable read, proven to be allowed, is answered before the state machine is there. Breaks section 8. */
  'readsBeforeApply',
  /** Answers are merged into one run although their indexes are not consecutive. */
  'mergesAnswersBlindly',

  // Topics and groups.

  /**
   * A queue goes to its next owner at the moment somebody joins, while the last one still works on it: both deliver the
   * same records. Had by RocketMQ, whose consumers each compute the assignment for themselves.
   */
  'handsQueuesOverAtOnce',
  /**
   * A position is taken from whoever sends it: one that lost the queue moves it under the hands of its owner. Had by
   * RocketMQ's brokers, which keep what they are told.
   */
  'acceptsCommitsOfAnybody',
  /** A commit that was overtaken by a later one moves the position back. Had by RocketMQ, which warns of it in a log. */
  'takesLateCommits',
  /** Joining or leaving loses the positions of queues that change hands: the next owner begins anew. Nobody that we know of shipped it. */
  'losesPositionsAtHandOver',
  /** A batch that is void uses up offsets: readers wait for records that never come. Nobody that we know of shipped it. */
  'countsVoidedRecords',
  /** A retry is answered with the queue's end instead of the offset that its first copy got. Nobody that we know of shipped it. */
  'answersRetriesWithTheEnd',
  /** A producer that writes to a second queue is forgotten in the first: a retry there is stored again. Nobody that we know of shipped it. */
  'remembersOneQueueOnly',
  /**
   * Who gets which queue depends on what this process remembers: nodes disagree after a restart. Breaks the first rule
   * of replicated state machines; NATS and others shipped its like (replicas whose state drifts apart).
   */
  'assignsFromMemory',

  // Frames.

  /**
   * The memory of a frame that came in pieces is used again for the next, while entries still point into it. Had, in
   * one form or another, by most systems that pool their buffers.
   */
  'reusesFrameBuffers',
  /**
   * Frames are taken as they come, with whatever bits were flipped on the way that TCP's sums did not notice. Had by DLedger,
   * whose checksum fields are never computed.
   */
  'ignoresFrameChecksums',

  // Clients.

  /** What is sent again is a new batch to the cluster. Had by the clients of RocketMQ, and Kafka before idempotence. */
  'retriesAsNewBatch',
  /**
   * An append whose time is up after it was sent is reported as not stored. Its outcome is unknown, and must be called so.
   * Nobody in particular: it is how clients lie.
   */
  'reportsTimeoutAsRefused',
  /**
   * After a time-out the producer goes on under the same id, and gives the next batch the number of the one that timed
   * out. If that was stored, the new one is taken for its retry. Nobody that we know of shipped it.
   */
  'reusesSequenceNumbers',
  /** Answers are taken to come in the order of the requests. Right for some protocols, wrong for one with long polls. */
  'matchesAnswersByOrder',
  /**
   * A reader goes on behind as many entries as it was given, not where the node says: gaps in the index make it read
   * twice what lies behind them. Nobody that we know of shipped it.
   */
  'countsReadsByRecords',
  /**
   * What was handed out counts as worked off. Breaks the promise of consumers: what they die with is never worked on. Kafka
   * clients do so with automatic commits and a thread of their own.
   */
  'commitsWhatIsHandedOut',
  /**
   * A queue that is revoked is given up at once, with records of it still being worked on. Breaks the hand-over: two work
   * on one queue. Had by RocketMQ's rebalance without locks.
   */
  'handsOverUnfinishedWork',
  /**
   * A member that was put out of its group goes on reading what it had. Breaks the same. Had by every consumer that learns
   * of its end from a commit only.
   */
  'ignoresLostMembership',
  /**
   * A consumer goes on behind as many records as it got, and not behind what was looked at. Breaks reading by offset where
   * retries left gaps or a filter passes records over. Nobody that we know of.
   */
  'countsOffsetsByRecords',
] as const;

export type Mutation = (typeof MUTATION_NAMES)[number];

/** Which wrong behaviours are on. */
export type Mutations = Readonly<Record<Mutation, boolean>>;

/** What production runs with. */
export const NO_MUTATIONS: Mutations = mutationsOf([]);

export function mutationsOf(names: readonly Mutation[]): Mutations {
  const switches = Object.fromEntries(MUTATION_NAMES.map((name) => [name, names.includes(name)]));
  return Object.freeze(switches as Record<Mutation, boolean>);
}

/** The names of those that are on. */
export function mutationNames(mutations: Mutations): Mutation[] {
  return MUTATION_NAMES.filter((name) => mutations[name]);
}

/** @param text names with commas between them. @throws RangeError that says which name is not known. */
export function parseMutations(text: string): Mutations {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names) {
    if (!(MUTATION_NAMES as readonly string[]).includes(name))
      throw new RangeError(`there is no mutation ${JSON.stringify(name)}`);
  }
  return mutationsOf(names as Mutation[]);
}
