export interface QueuePosition {
  /** The queue's number in the cluster. */
  readonly queue: number;
  /** Of a group's position: the next offset to be read. */
  readonly offset: number;
}
