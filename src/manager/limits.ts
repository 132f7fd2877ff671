/**
 * Every limit and pause of the manager in one place. Durations in milliseconds. Sources: docs/ec2.md for what EC2 and
 * the metadata service need, docs/architecture.md for the reasoning.
 */
export const LIMITS = {
  /** A burst of ADDs becomes one plan: quiet time that ends the burst, and the longest it may be drawn out. */
  burstQuietMs: 40,
  burstLongestMs: 250,
  /** Pods served from the buffer are no hurry: a pause turns a trickle of pods into fewer calls. */
  refillDelayMs: 1_000,
  /** The same once less than half of the buffer is left. */
  refillSoonMs: 250,
  /** The loop looks around at least this often. */
  heartbeatMs: 10_000,
  /** ADDs that may wait at once; a node holds at most some hundred pods. */
  waitingMax: 2_000,

  metadataEveryMs: 60_000,
  /** With its jitter never more than one describe an hour from an idle node. */
  cloudEveryMs: 75 * 60_000,
  cloudJitter: 0.15,
  /** What a mutation changed may be missing from observations for this long (docs/ec2.md, consistency). */
  lagMs: 60_000,
  /** A denial is believed when EC2 repeats it after this pause. */
  confirmAfterMs: 30_000,
  /** Differences seen in metadata ask EC2 at most this often. */
  suspicionEveryMs: 5 * 60_000,

  /** After a failed describe of the interfaces. */
  observeAgainMs: 10_000,

  /** Subnet facts older than this are read again before growing. */
  resolutionFreshMs: 5 * 60_000,

  throttledFirstMs: 2_000,
  throttledLongestMs: 60_000,
  transientFirstMs: 1_000,
  transientLongestMs: 60_000,
  subnetExhaustedFirstMs: 60_000,
  subnetExhaustedLongestMs: 15 * 60_000,
  unauthorizedFirstMs: 30_000,
  unauthorizedLongestMs: 10 * 60_000,
  configurationFirstMs: 15_000,
  configurationLongestMs: 5 * 60_000,
  staleMs: 2_000,
  bugMs: 5 * 60_000,

  settleFirstMs: 500,
  settleLongestMs: 60_000,
  /** An unsettled intent holds back growth for this long; then growth goes on beside it. */
  unsettledCountsMs: 60_000,
  /** Settling gives up finishing and undoes after this many tries. */
  settleTriesBeforeUndo: 4,

  /** One activity (describe, step, settle) may take this long in all before it is aborted and counts as unknown. */
  activityMs: 5 * 60_000,

  /** After the disk refused a change, what can wait waits for this long. */
  diskAgainMs: 2_000,

  /** What was aborted is waited for this long: then its answer, should one come, counts for nothing. */
  abortGraceMs: 5_000,

  selfCheckEveryMs: 60_000,
  historyEntries: 4_000,
} as const;
