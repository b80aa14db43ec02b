/** What the exit status of `dledger` means, for scripts. Stable. */
export const ExitCode = {
  ok: 0,
  /** A bug, or something nobody foresaw. Also: `log verify` found damage. */
  internal: 1,
  /** Flags, configuration, input or a data directory that cannot be used as asked. */
  usage: 2,
  /** No node could be reached. */
  unreachable: 3,
  /** Some nodes did not answer; what is printed is what the others said. */
  partial: 4,
  /** No leader, or not possible now. */
  notNow: 5,
  /** The time passed and the outcome is unknown. */
  unknown: 6,
  /** Refused as unsafe. */
  refused: 7,
  /** Not found, or there already. */
  notFound: 8,
  /** `cluster health`: reached, and not healthy. */
  unhealthy: 10,
  /** `drill`: something was not as expected. */
  drillFailed: 20,
  /** `drill`: it was ended early, or could not show anything. */
  drillUnclear: 21,
  /** `drill`: something could not be mended, and remains until its time runs out. */
  unhealed: 22,
  /** Ended by Ctrl-C, after cleaning up. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
