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
  /** A buffer that is at least half full is filled up within this: then a trickle of pods is a call for several of them. */
  refillLongestMs: 2 * 60_000,
  /** A smaller buffer is filled up at once: half of it is too little to lean on. */
  refillAtOnceBelow: 4,
  /**
   * The loop comes round at least this often, so that one that is stuck is told from one that has nothing to do: liveness
   * gives it twice as long (telemetry/health-routes.ts). Nothing else relies on it: what becomes due has its moment.
   */
  heartbeatMs: 30_000,
  /** ADDs that may wait at once; a node holds at most some hundred pods. */
  waitingMax: 2_000,

  metadataEveryMs: 60_000,
  /** With its jitter never more than one describe an hour from an idle node. */
  cloudEveryMs: 75 * 60_000,
  cloudJitter: 0.15,
  /** What a mutation changed may be missing from observations for this long (docs/ec2.md, consistency). */
  lagMs: 60_000,
  /** What was given back may be shown for this long, and is not taken over meanwhile: EC2's guidance is "up to about five minutes". */
  adoptionLagMs: 10 * 60_000,
  /** A denial is believed when EC2 repeats it after this pause. */
  confirmAfterMs: 30_000,
  /** A call whose answer never came may take effect after it was settled: EC2 is observed once more then. */
  lateEffectMs: 2 * 60_000,
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
  /** An interface was made for nothing and deleted again: that must not become a habit. */
  placeRefusedFirstMs: 10_000,
  placeRefusedLongestMs: 15 * 60_000,
  bugMs: 5 * 60_000,

  settleFirstMs: 500,
  settleLongestMs: 60_000,
  /** An unsettled intent holds back growth for this long; then growth goes on beside it. */
  unsettledCountsMs: 60_000,
  /**
   * Settling gives up finishing and undoes after this many tries: undoing what only waits for EC2 to be well again would
   * cost as many calls as finishing it.
   */
  settleTriesBeforeUndo: 6,
  settleTriesOfPassing: 30,

  /** One activity (describe, step, settle) may take this long in all before it is aborted and counts as unknown. */
  activityMs: 5 * 60_000,

  /** After the disk refused a change, what can wait waits for this long. */
  diskAgainMs: 2_000,

  /** What was aborted is waited for this long: then its answer, should one come, counts for nothing. */
  abortGraceMs: 5_000,

  /** Quiet times differ by this share, so that nodes whose pods ended together do not call together. */
  quietJitter: 0.25,
  /** Where demand never keeps still: what was beyond the watermarks for as many quiet times goes. */
  quietTimesOfUnrest: 5,

  /** Leftovers of the cluster are looked for about this often; the first look comes within the first period. */
  sweepEveryMs: 60 * 60_000,
  sweepJitter: 0.5,
  /** In a fleet: when a sweep is due and another node has the task, this one looks again whether it has it. */
  sweepTaskMs: 60_000,
  /** Seen twice with at least this pause, and older than the age: nobody is about to attach it any more. */
  leftoverPauseMs: 30 * 60_000,
  leftoverAgeMs: 60 * 60_000,
  /** Removed by one node after one look: many nodes look. */
  leftoversAtOnce: 5,

  /** ADD waits for the look at its sandbox, which takes a fraction of a millisecond, for this long at most. */
  identifyMs: 500,
  /** So many looks that do not end, and no further ADD waits for one. */
  identifyHanging: 2,
  sandboxesEveryMs: 60_000,
  /** GC waits for the look at what its list leaves out for this long at most. */
  sandboxLookMs: 5_000,
  /** So many sandboxes of one folder that are gone at one look, and none is left: that is the folder, or a drained node. */
  vanishedAtOnce: 3,
  /**
   * Their leases stay for so long at least. The kubelet looks at sandboxes every second and makes those anew that have lost
   * their namespace, so that what lived with such a sandbox is over by then.
   */
  vanishedGraceMs: 30 * 60_000,

  selfCheckEveryMs: 60_000,
  /** The same while nothing changed in the pool. */
  selfCheckUnchangedMs: 60 * 60_000,
  /** After a step that was to bring a fixed address failed, or could not be begun. */
  fixedAgainMs: 1_000,
  /** A fixed address that a node took for a pod that does not ask any more is free for other nodes after this. */
  fixedAbandonedMs: 3 * 60_000,
  /** How often an ADD looks whether what is in its way is over. */
  fixedLookMs: 250,
  /** Addresses of named ranges that one ADD tries for a pod that has none yet. */
  fixedTries: 256,

  /** The reservations over fixed addresses are read again; sooner while one is missing, or cannot be read. */
  reservationsEveryMs: 60 * 60_000,
  reservationsAgainMs: 5 * 60_000,
  /** While they cannot be read again, they count for this long. */
  reservationsTrustedMs: 2 * 60 * 60_000,

  historyEntries: 4_000,
} as const;
