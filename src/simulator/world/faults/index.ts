import type { FaultKind } from "../options.ts";
import type { FaultMaker } from "./maker.ts";
import {
  agentCrash,
  agentUpgrade,
  ciliumNodeDeleted,
  kubernetesAway,
  kubernetesPartition,
  kubernetesWatchCut,
} from "./of-agents.ts";
import {
  ec2Away,
  ec2Denied,
  ec2Error,
  ec2Garbled,
  ec2LostReply,
  ec2NoAnswer,
  ec2Slow,
  ec2Throttling,
} from "./of-calls.ts";
import {
  attachStuck,
  detachStuck,
  foreignHand,
  metadataAway,
  metadataPartial,
  staleDescribe,
  staleMetadata,
  subnetEmpty,
  subnetFragmented,
} from "./of-cloud.ts";
import {
  clockSkew,
  nodeDead,
  nodePartition,
  redisAway,
  redisDataLoss,
  redisFailOver,
  redisPartition,
  redisSlow,
} from "./of-fleet.ts";
import { badFile, clockJump, crash, diskFull, diskSlow, powerLoss, reboot, replace, settings } from "./of-machine.ts";
import { addHangUp, delDuplicate, delLate, delMissing } from "./of-runtime.ts";

export type { Drawn, FaultHands, FaultMaker, FaultPlace } from "./maker.ts";

/** Who draws the faults of each kind. */
export const FAULT_MAKERS: Readonly<Record<FaultKind, FaultMaker>> = {
  "ec2-error": ec2Error,
  "ec2-throttling": ec2Throttling,
  "ec2-slow": ec2Slow,
  "ec2-lost-reply": ec2LostReply,
  "ec2-no-answer": ec2NoAnswer,
  "ec2-garbled": ec2Garbled,
  "ec2-denied": ec2Denied,
  "ec2-away": ec2Away,
  "stale-describe": staleDescribe,
  "stale-metadata": staleMetadata,
  "metadata-partial": metadataPartial,
  "metadata-away": metadataAway,
  "subnet-empty": subnetEmpty,
  "subnet-fragmented": subnetFragmented,
  "attach-stuck": attachStuck,
  "detach-stuck": detachStuck,
  "foreign-hand": foreignHand,
  crash,
  reboot,
  replace,
  "clock-jump": clockJump,
  "disk-full": diskFull,
  "disk-slow": diskSlow,
  "power-loss": powerLoss,
  settings,
  "bad-file": badFile,
  "del-duplicate": delDuplicate,
  "del-late": delLate,
  "del-missing": delMissing,
  "add-hang-up": addHangUp,
  "redis-away": redisAway,
  "redis-partition": redisPartition,
  "redis-slow": redisSlow,
  "redis-fail-over": redisFailOver,
  "redis-data-loss": redisDataLoss,
  "clock-skew": clockSkew,
  "node-dead": nodeDead,
  "node-partition": nodePartition,
  "kubernetes-away": kubernetesAway,
  "kubernetes-partition": kubernetesPartition,
  "kubernetes-watch-cut": kubernetesWatchCut,
  "cilium-node-deleted": ciliumNodeDeleted,
  "agent-crash": agentCrash,
  "agent-upgrade": agentUpgrade,
};
