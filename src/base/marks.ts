/**
 * Paths that are taken rarely and matter when they are, with what it means to have taken them. A simulation counts them:
 * one that never took a path has said nothing about it. docs/simulation.md shows the same table.
 */
export const MARKS = {
  // Raft: elections.
  'raft.pre-vote-refused-by-lease': 'a pre-vote was refused because the leader was heard lately',
  'raft.vote-refused-by-lease': 'a vote was refused because the leader was heard lately',
  'raft.vote-refused-log-behind': 'a vote was refused to a candidate whose log is behind',
  'raft.pre-vote-refused-log-behind': 'a pre-vote was refused to a candidate whose log is behind',
  'raft.vote-refused-cast-already': 'a vote was refused because it had gone to another candidate of the term',
  'raft.vote-refused-not-eligible':
    'a vote was refused by a node that may have forgotten what it had promised',
  'raft.election-lost': 'a candidate gave up because a majority was out of reach',
  'raft.founding-given-up':
    'a node without a log stood for election, and heard that there is a cluster already',
  'raft.blank-voter-known':
    'a node without a log voted for one that has a log, for a committed configuration names it as who it is',
  'raft.unseen-voter-named':
    'a node that did not know yet that it counts voted for one whose committed configuration names it',
  'raft.own-vote-was-last':
    'the others made a majority before the own vote was on disk, and the candidate waited',
  'raft.early-campaign': 'a voter stood at once because the process of its leader was gone',
  'raft.early-pre-vote-reconsidered':
    'a pre-vote refused for a leader that lived was granted when it was found dead',
  'raft.check-quorum-step-down': 'a leader that heard no majority gave up by itself',
  'raft.stalled-step-down': 'a leader whose commit index stood still gave up by itself',
  'raft.bulk-lane-reset': 'a lane whose acknowledgements stood still was dialled anew',
  // Raft: replication.
  'raft.figure-8-refused': 'a majority held an entry of an older term, and it was not committed by counting',
  'raft.append-of-old-leader': 'entries or a heartbeat of a leader whose term was over were refused',
  'raft.append-log-too-short': 'a follower lacked the entry before those it was sent',
  'raft.conflict-by-term':
    'a follower held another term at that index: the leader went back past the whole term',
  'raft.append-repeated': 'a follower was sent what it had already',
  'raft.suffix-truncated': 'a follower dropped entries that conflicted with the leader',
  'raft.durable-claim-lowered': 'entries were truncated while their sync was under way: its end proves less',
  'raft.acknowledged-in-part': 'a follower acknowledged a part of what it had been sent',
  'raft.probe-after-loss': 'a probe was given up as lost and sent again',
  'raft.acknowledgement-overdue': 'a leader asked after entries whose acknowledgement did not come',
  'raft.window-full': 'a follower had as many messages on their way as it may',
  'raft.byte-window-full': 'a follower had as many bytes on their way as it may',
  'raft.entries-read-for-follower': 'what a follower lacked had left the cache and came from disk',
  'raft.entries-read-in-vain': 'what was read for a follower was not wanted any more',
  'raft.snapshot-not-needed': 'a follower was sent a snapshot of what it has already',
  'raft.snapshot-installed': 'a follower has the snapshot that it was sent, and gets the log behind it',
  'raft.snapshot-failed': 'a leader could not send the snapshot that a follower needs, and tries again',
  // Raft: reads, transfers, members.
  'raft.read-round-failed': 'leadership was lost while reads waited for its proof',
  'raft.read-waited-for-term': 'a read waited for the first commit of its leader',
  'raft.leader-paused': 'a leader stood still and asked a quorum whether it still leads',
  'raft.transfer-done': 'leadership was handed over',
  'raft.transfer-timeout': 'a hand-over took too long, and the leader went on',
  'raft.successor-named': 'a leader whose disk had failed told a follower to stand, and ended',
  'raft.transfer-aborted': 'somebody else came to lead during a hand-over',
  'raft.timeout-now-obeyed': 'a node stood because its leader asked it to',
  'raft.timeout-now-ignored': 'such a request came too late',
  'raft.founding-repeated':
    'a second leader founded the cluster again, as the first may not have got it committed',
  'raft.member-forgotten': 'a member came back as somebody else: what it had acknowledged counted no more',
  'raft.member-readmitted': 'a member with a new disk was taken in again by a configuration entry',
  // The log.
  'wal.torn-tail-cut': 'the end of the log was what is left of one write, and was erased',
  'wal.torn-footer-cut': 'that write was the footer of a segment',
  'wal.erasing-resumed': 'the erasing of a torn tail had been interrupted',
  'wal.tail-rewritten': 'a start wrote again what had not been proven durable',
  'wal.footer-restored': 'a sealed segment had lost its footer, which was made anew',
  'wal.slot-a-damaged': 'the first slot of the hard state or the watermark did not verify',
  'wal.slot-b-damaged': 'the second slot of the hard state or the watermark did not verify',
  'wal.segment-rolled': 'a segment was full and the next one begun',
  'wal.spare-was-ready': 'the next segment had been zeroed in time',
  'wal.spare-was-late': 'the next segment had not, and got a hole',
  'wal.truncation-written': 'a block began with a truncation',
  'wal.old-watermark-replaced': 'a busy log was given a watermark because the last one was too old',
  'wal.checkpoint-skipped': 'the newest checkpoint did not verify, and an older one was looked for',
  'wal.trimmed': 'a log let go of its oldest segments',
  'wal.trimming-resumed': 'a start removed segments that a trimming had left',
  'wal.snapshot-installed': 'a start made the log begin anew behind a snapshot that was waiting',
  'wal.sync-failed': 'a sync failed, and the log ended with it',
  'wal.write-failed': 'a write failed, and the log ended with it',
  'wal.disk-full': 'a full disk had no room even for term, vote or watermark, and the log ended with it',
  'wal.entries-mended': 'entries that did not verify were put back from another node',
  'wal.block-header-mended':
    'the header of a block did not verify, and was made anew around the entries of another node',
  'wal.waited-for-room': 'a block or a segment found no room on the disk, and waited',
  'wal.vote-passed-by': 'term and vote were written while the log waited for room',
  // Consume queues and the key index.
  'queue.rebuilt-at-start': 'a start found units missing that a checkpoint counts on',
  'queue.unit-damaged': 'a unit that was read did not verify, or its file was gone',
  'queue.rebuilt': 'the units of a queue were made again from the log',
  'queue.began-behind-the-log':
    'a queue lacked units whose batches the log does not keep any more, and began anew behind them',
  'queue.run-damaged': 'a run of keys did not verify, or its file was gone',
  'queue.keys-rebuilt': 'keys were made again from the log',
  'queue.runs-merged': 'a small run of keys was written again with what had come since',
  // The node.
  'node.checkpoint-restored': 'a start restored the state from a checkpoint',
  'node.applied-from-disk': 'committed entries were read back from disk to be applied',
  'node.paused': 'a process found that it had stood still',
  'node.acknowledgement-held': 'an acknowledgement was held back after a pause',
  'node.acknowledgement-refused': 'what was held back was not acknowledged, as another led by then',
  'node.duplicate-of-stored': 'a retry was answered with where it had been stored',
  'node.duplicate-of-proposed': 'a retry waited for the outcome of its first copy',
  'node.out-of-order-refused': 'a batch was refused because it leaves a gap',
  'node.predecessors-unknown':
    'a new leader let appends wait until it knew what its predecessors had accepted',
  'node.proposal-during-transfer': 'an append waited for the end of a hand-over',
  'node.outcome-lost': 'leadership was lost before the outcome of an append was known',
  'node.deadline-before-proposal': 'the deadline of a write passed before it was proposed',
  'node.deadline-after-proposal': 'the deadline of a write passed before its outcome was known',
  'node.members-expired': 'members of a group were silent for longer than their session',
  'node.request-forwarded': 'a request was passed on to the leader',
  'node.request-parked': 'a request waited at a node that knew no leader',
  'node.forwarded-again': 'a request that the leader did not answer went to the next one',
  'node.forwarded-outcome-lost': 'a leader was lost with a request that must not be sent twice',
  'node.parked-until-its-deadline': 'a request waited for a leader until its time was up',
  'node.forwarding-full': 'a request was refused because too many waited for the leader',
  'node.disk-slow': 'three syncs in a row were slow, or one hung',
  'node.slow-leader-handed-over': 'a leader with a slow disk handed leadership to a faster follower',
  'node.rot-found': 'a record of the log was read, in the background or for a follower, and does not verify',
  'node.disk-full': 'there was less room on the disk than the reserve, and no records were taken',
  'node.full-leader-handed-over': 'a leader with a full disk handed leadership to one with room',
  'node.first-offset-raised': 'retention took records from a queue',
  'node.read-waited-for-apply': 'a proven read waited for the state machine',
  'node.read-lost-its-leader': 'a read was sent away as leadership was lost while it waited',
  'node.rot-repaired': 'what did not verify was put back from another node while this one ran',
  'node.rot-repaired-at-start': 'a log that did not open was mended from another node, and then did',
  'node.rot-unrepaired': 'what does not verify was to be put back, and no node had it',
  'node.applying-waited': 'what was to be applied does not verify, and waited until it was put back',
  'node.read-from-disk': 'a reader was served from disk',
  'node.duplicate-node-refused': 'a peer was refused because another of its name answers',
  'node.unconfirmed-peer-refused': 'a peer with a new disk was refused until its address confirmed it',
  'node.link-hastened':
    'a peer that called was called back at once, before the pause after the last attempt was over',
  'node.leader-process-gone': 'a connection was closed by the other side and a new one refused',
  'node.peer-process-restarted': 'it was closed, and another process answered',
  'node.inquiry-repeated': 'a sudden close had to be inquired into again',
  'node.half-open-link-dropped': 'a link whose other side was silent was given up',
  'node.message-without-lane': 'a message was dropped because its lane was down',
  'node.half-frame-dropped': 'a connection ended in the middle of a frame',
  'node.handshake-overdue': 'a connection was closed because no greeting came',
  'node.log-trim-proposed': 'a leader proposed that the log begin later',
  'node.log-trimmed-for-room': 'a leader proposed it because a disk was too full',
  'node.snapshot-resumed': 'a snapshot went on where it had been cut off',
  'node.snapshot-abandoned': 'a snapshot was not wanted any more while it was sent',
  'node.snapshot-piece-dropped': 'a piece of a snapshot came that does not continue what is there',
  'node.snapshot-replaced': 'another snapshot came before the first was whole',
  'node.snapshot-damaged': 'a snapshot that had arrived did not verify',
  'node.snapshot-came-too-late': 'when a snapshot was whole the log had got as far by itself',
  // Frames.
  'wire.header-in-pieces': 'the header of a frame came in pieces',
  'wire.body-in-pieces': 'the body of a frame came in pieces',
  // The state machine.
  'broker.duplicate-voided': 'a batch that was in the log twice was voided when it was applied',
  'broker.batch-rejected':
    'a batch in the log that leaves a gap, of an unknown producer or for no queue, was voided when it was applied',
  // Clients.
  'client.reconnected': 'a producer found a leader again',
  'client.resent': 'a batch was sent again',
  'client.redirected': 'a node named another leader',
  'client.hint-was-stale': 'a named leader had just refused',
  'client.answer-of-earlier-attempt': 'an answer came to a request that had been sent again since',
  'client.request-ids-used-up': 'a connection was replaced because its request ids were used up',
  'client.stale-view': 'what a group said was heard so late that it may have gone on without this member',
  'client.group-unheard': 'a member gave its queues up because it had not heard of its group for too long',
  'client.outcome-unknown': 'a batch was reported as of unknown outcome',
  'client.producer-given-up': 'a producer id was given up, as a number of it may be missing',
  'client.timed-out-unsent': 'a batch was never sent, and reported so',
  'client.queue-full': 'a batch was refused because too many waited',
  'client.greeting-overdue': 'a node accepted and did not greet back',
  'client.silent-connection-dropped': 'a connection without a word was given up',
  'client.read-repeated': 'a read was asked again on another connection',
} as const;

export type Mark = keyof typeof MARKS;

/**
 * Those that stand behind another rule and are not taken while it holds: a leader does not propose what it knows, or
 * cannot exclude, to be a duplicate or out of order. Nothing is missing where a campaign never took them.
 */
export const GUARDS: ReadonlySet<Mark> = new Set<Mark>(['broker.duplicate-voided', 'broker.batch-rejected']);

export const MARK_NAMES: readonly Mark[] = Object.keys(MARKS) as Mark[];

const counts = Object.fromEntries(MARK_NAMES.map((name) => [name, 0])) as Record<Mark, number>;

/** A path was taken. It decides nothing: whoever calls this does the same whatever was counted before. */
export function mark(name: Mark): void {
  counts[name] += 1;
}

/** How often each path was taken in this process, now. */
export function markCounts(): Readonly<Record<Mark, number>> {
  return { ...counts };
}
