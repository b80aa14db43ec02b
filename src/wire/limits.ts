import { batchBytes } from '../base/batch.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

interface Limits {
  readonly protocolVersion: number;
  /** Body of a frame before the greeting is done: whoever has not said who they are gets no memory from us. */
  readonly handshakeBytesMax: number;
  /** Body of a frame from a client: the largest batch and what stands before it. */
  readonly clientFrameBytesMax: number;
  /** Body of a frame to a client: a read of the largest size may end with an entry that passes it. */
  readonly clientResponseBytesMax: number;
  /** Body of a frame between nodes: an AppendEntries of many entries, or of one that has the largest size. */
  readonly peerFrameBytesMax: number;
  /** The data of one INSTALL_SNAPSHOT, and all of a snapshot: it is in memory as a whole when the state is restored. */
  readonly snapshotChunkBytesMax: number;
  readonly snapshotBytesMax: number;
  /** One record. Larger payloads belong into a store of blobs, with their name in the log. */
  readonly recordBytesMax: number;
  /** The encoding of one batch: room for one record of the largest size. */
  readonly batchBytesMax: number;
  /** What one READ may ask for. */
  readonly readEntriesMax: number;
  readonly readBytesMax: number;
  /** A deadline or a long poll further away than this (an hour) is a mistake. */
  readonly durationMsMax: number;
  /** Batches that one producer may have in flight. Bounds what the replicated state remembers of it. */
  readonly inFlightMax: number;
  /** Runs in one APPEND_RESULTS, and requests that one run answers. */
  readonly appendRunsMax: number;
  readonly nodeIdBytesMax: number;
  /** host:port. */
  readonly addressBytesMax: number;
  readonly versionBytesMax: number;
  readonly errorMessageBytesMax: number;
  readonly credentialsBytesMax: number;
  /** A MessagePack body: its size, its depth, the values in it, and one text in it. */
  readonly msgpackBytesMax: number;
  readonly msgpackDepthMax: number;
  readonly msgpackValuesMax: number;
  readonly msgpackStringBytesMax: number;
  /** MessagePack from a node to a client: lists of all topics, or of all queues of a group. */
  readonly msgpackAnswerBytesMax: number;
  readonly msgpackAnswerValuesMax: number;
  /** What one FETCH may ask for: records, and tags to filter by. */
  readonly fetchRecordsMax: number;
  readonly fetchTagsMax: number;
  /** Batches in one FETCH_RESULT. */
  readonly fetchBatchesMax: number;
  /** Names of topics and groups. */
  readonly nameBytesMax: number;
  readonly queuesPerTopicMax: number;
  /** What one commit names: positions, and queues that are released. */
  readonly commitQueuesMax: number;
  readonly topicsPerMemberMax: number;
  /** What a client and its instance call themselves. */
  readonly clientNameLengthMax: number;
  readonly sessionMsMin: number;
  readonly sessionMsMax: number;
  /** Places that one search by key answers. */
  readonly foundMax: number;
  /** How often a watcher may have the state pushed. */
  readonly watchMsMin: number;
  readonly watchMsMax: number;
  /** In one EVENTS. */
  readonly eventsMax: number;
  /** In one PEEK_RESULT. */
  readonly peekEntriesMax: number;
  /** The longest time to live of a fault (ten minutes), and the longest delay of one. */
  readonly faultMsMax: number;
  readonly faultTextBytesMax: number;
}

const recordBytesMax = MIB;
const batchBytesMax = batchBytes(1, recordBytesMax);

/**
 * Every limit of the protocol. A limit is checked before a byte is stored or memory is taken for it. A node may allow
 * less than some of these, and says so in its HELLO_ACK; nobody allows more.
 */
export const LIMITS: Limits = {
  protocolVersion: 1,
  handshakeBytesMax: 4 * KIB,
  clientFrameBytesMax: batchBytesMax + 4 * KIB,
  clientResponseBytesMax: 8 * MIB,
  peerFrameBytesMax: 16 * MIB,
  snapshotChunkBytesMax: MIB,
  snapshotBytesMax: 2 * KIB * MIB,
  recordBytesMax,
  batchBytesMax,
  readEntriesMax: 65_536,
  readBytesMax: 4 * MIB,
  durationMsMax: 3_600_000,
  inFlightMax: 8192,
  appendRunsMax: 65_536,
  nodeIdBytesMax: 64,
  addressBytesMax: 255,
  versionBytesMax: 64,
  errorMessageBytesMax: KIB,
  credentialsBytesMax: KIB,
  msgpackBytesMax: MIB,
  msgpackDepthMax: 8,
  msgpackValuesMax: 65_536,
  msgpackStringBytesMax: 4 * KIB,
  msgpackAnswerBytesMax: 8 * MIB,
  msgpackAnswerValuesMax: MIB,
  fetchRecordsMax: 65_536,
  fetchTagsMax: 16,
  fetchBatchesMax: 65_536,
  nameBytesMax: 127,
  queuesPerTopicMax: 4096,
  commitQueuesMax: 10_000,
  topicsPerMemberMax: 1024,
  clientNameLengthMax: 255,
  sessionMsMin: 1000,
  sessionMsMax: 3_600_000,
  foundMax: 1000,
  watchMsMin: 100,
  watchMsMax: 60_000,
  eventsMax: 1000,
  peekEntriesMax: 500,
  faultMsMax: 600_000,
  faultTextBytesMax: 128,
};
