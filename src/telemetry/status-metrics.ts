import { Counter, Gauge, type Registry } from "prom-client";
import type { StatusReport } from "../manager/index.ts";
import { agentMetrics } from "./agent-metrics.ts";
import { fleetMetrics } from "./fleet-metrics.ts";
import { orphanMetrics } from "./orphan-metrics.ts";
import { reachMetrics } from "./reach-metrics.ts";

/** What the gauges are computed from at each scrape. */
export interface TelemetrySource {
  status(): StatusReport;
  /** Milliseconds since the manager's loop last came round. */
  loopAgeMs(): number;
}

export type Refresh = (source: TelemetrySource, nowMs: number) => void;

const ADDRESS_STATES = ["free", "leased", "cooling", "releasing"] as const;
type AddressState = (typeof ADDRESS_STATES)[number];

/** All metrics that are a function of the status, as one list of refreshers. */
export function statusMetrics(registry: Registry): Refresh {
  const refreshers = [
    addressMetrics(registry),
    blockMetrics(registry),
    demandMetrics(registry),
    cloudMetrics(registry),
    budgetMetrics(registry),
    reachMetrics(registry),
    orphanMetrics(registry),
    agentMetrics(registry),
    conditionMetrics(registry),
    settingsMetrics(registry),
    fleetMetrics(registry),
    stateMetrics(registry),
  ];
  return (source, nowMs) => {
    const status = source.status();
    for (const refresh of refreshers) refresh(status, nowMs, source.loopAgeMs());
  };
}

type StatusRefresh = (status: StatusReport, nowMs: number, loopAgeMs: number) => void;

function addressMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const addresses = new Gauge({
    name: "enid_addresses",
    help: "Pod addresses the node holds, by state and family; of IPv6 no free ones, which are beyond counting. free at 0 while enid_needed_addresses is above 0: `enid plan` says what keeps it from growing.",
    labelNames: ["state", "family"],
    registers,
  });
  const byInterface = new Gauge({
    name: "enid_interface_addresses",
    help: "Pod addresses (IPv4) by interface, subnet and state; shows which subnet the pods of this node live in.",
    labelNames: ["interface", "subnet", "state"],
    registers,
  });
  const capacity = new Gauge({
    name: "enid_capacity_addresses",
    help: "Most pod addresses the node can hold under its settings; 0 while unknown. Leased near it: lower max-pods or use a larger instance type.",
    registers,
  });
  const byRange = new Gauge({
    name: "enid_range_addresses",
    help: "Addresses of each of the node's own ranges (podCIDRs) by state: serving, draining or joining for the range; free, leased, cooling or reserved (for no pod) for the address; of IPv6 those of the first 4,096. free near 0: add a range.",
    labelNames: ["range", "range_state", "state"],
    registers,
  });
  const lost = new Gauge({
    name: "enid_lost_addresses",
    help: "Leased addresses that EC2 denies; their leases stay. Above 0: `enid status` names the pods. Delete them, and find who took the addresses.",
    registers,
  });
  const fixed = new Gauge({
    name: "enid_fixed_addresses",
    help: "Fixed addresses that this node has to do with: bound (its pod has it here), parked, coming, leaving (another node has it by now), lost (the same, with a pod that has it here). lost above 0: delete the pods that `enid status` names.",
    labelNames: ["state"],
    registers,
  });
  return (status) => {
    for (const state of ["bound", "parked", "coming", "leaving", "lost"] as const) {
      fixed.set({ state }, status.fixed?.filter((one) => one.state === state).length ?? 0);
    }
    const { ipv6 } = status.pool;
    setStates((state, value) => addresses.set({ state, family: "ipv4" }, value), status.pool);
    for (const state of ["leased", "cooling", "releasing"] as const) {
      addresses.set({ state, family: "ipv6" }, ipv6?.[state] ?? 0);
    }
    lost.set(status.lost?.length ?? 0);
    byInterface.reset();
    for (const { id, subnetId, counts } of status.interfaces) {
      setStates((state, value) => byInterface.set({ interface: id, subnet: subnetId, state }, value), counts);
    }
    byRange.reset();
    for (const { cidr, state: rangeState, counts, reserved } of status.ranges ?? []) {
      for (const [state, value] of Object.entries({ ...counts, reserved })) {
        if (state !== "total" && state !== "releasing")
          byRange.set({ range: cidr, range_state: rangeState, state }, value);
      }
    }
    capacity.set(status.capacity);
  };
}

/** Addresses of an IPv6 prefix, a /80. */
const ADDRESSES_PER_IPV6_PREFIX = 2 ** 48;

function blockMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const prefixes = new Gauge({
    name: "enid_prefixes",
    help: "Prefixes the node holds by family, /28 and /80. ipv4 at 0 with prefix-delegation preferred: no allowed subnet has 16 contiguous free addresses; reserve a range for prefixes.",
    labelNames: ["family"],
    registers,
  });
  const wholly = new Gauge({
    name: "enid_free_block_addresses",
    help: "Free addresses (IPv4) in blocks of which every address is free: what can be given back. Far below the free ones for hours: pods are spread thinly over prefixes, which ends as they are replaced.",
    registers,
  });
  const addresses = new Counter({
    name: "enid_given_back_addresses_total",
    help: "Addresses (IPv4) given back to EC2 since the start. Rising together with those taken: raise release-delay-seconds or pre-allocate.",
    registers,
  });
  const interfaces = new Counter({
    name: "enid_given_back_interfaces_total",
    help: "Interfaces removed since the start because they had no pod. Rising every few minutes: raise interface-idle-seconds.",
    registers,
  });
  return ({ pool, givenBack }) => {
    prefixes.set({ family: "ipv4" }, pool.prefixes ?? 0);
    prefixes.set({ family: "ipv6" }, (pool.ipv6?.total ?? 0) / ADDRESSES_PER_IPV6_PREFIX);
    wholly.set(pool.freeInFreeBlocks ?? 0);
    setCounter(addresses, givenBack?.addresses ?? 0);
    setCounter(interfaces, givenBack?.interfaces ?? 0);
  };
}

function demandMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const watermark = new Gauge({
    name: "enid_watermark_addresses",
    help: "Watermarks in force (pre-allocate, min-allocate, max-allocate, max-above-watermark); max-allocate 0 means what the instance holds. `enid status --settings` says where each comes from.",
    labelNames: ["watermark"],
    registers,
  });
  const needed = new Gauge({
    name: "enid_needed_addresses",
    help: "Addresses missing by the watermarks. Above 0 for minutes: `enid plan` names the shortfall.",
    registers,
  });
  const excess = new Gauge({
    name: "enid_excess_addresses",
    help: "Addresses beyond the watermarks, given back after release-delay-seconds unless release-excess is false. Above 0 for hours: `enid status` says what becomes of them; pods spread over prefixes hold those.",
    registers,
  });
  const waiting = new Gauge({
    name: "enid_pods_waiting",
    help: "Pods that wait in ADD for an address. Above 0 for a minute: `enid explain POD` says why.",
    registers,
  });
  const longest = new Gauge({
    name: "enid_pod_longest_wait_seconds",
    help: "How long the pod that waits longest has waited; 0 when none waits. It ends at add-wait-seconds with an error.",
    registers,
  });
  return (status, nowMs) => {
    const { watermarks } = status;
    watermark.set({ watermark: "pre-allocate" }, watermarks.preAllocate);
    watermark.set({ watermark: "min-allocate" }, watermarks.minAllocate);
    watermark.set({ watermark: "max-allocate" }, watermarks.maxAllocate);
    watermark.set({ watermark: "max-above-watermark" }, watermarks.maxAboveWatermark);
    needed.set(watermarks.needed);
    excess.set(status.pool.excess ?? watermarks.excess);
    waiting.set(status.waiting.length);
    longest.set(
      oldestSeconds(
        status.waiting.map((pod) => pod.sinceMs),
        nowMs,
      ),
    );
  };
}

function budgetMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const rate = new Gauge({
    name: "enid_ec2_rate",
    help: "Requests a second of each EC2 action that the node allows itself now; it halves when the account is throttled and comes back with successes. Far below its usual value: somebody spends the account's bucket.",
    labelNames: ["action"],
    registers,
  });
  const waiting = new Gauge({
    name: "enid_ec2_waiting_calls",
    help: "Calls of each EC2 action that wait for a token. Lasting above 0: the node wants more than its share of the account's bucket.",
    labelNames: ["action"],
    registers,
  });
  const tokens = new Counter({
    name: "enid_fleet_tokens_total",
    help: "Tokens of each EC2 action that the fleet's budget gave to this node. Without a fleet: nothing.",
    labelNames: ["action"],
    registers,
  });
  const away = new Counter({
    name: "enid_fleet_budget_away_total",
    help: "Calls of each EC2 action for which the fleet could not be asked, so that the node took of its own share. Rising: the store is away.",
    labelNames: ["action"],
    registers,
  });
  const local = new Gauge({
    name: "enid_fleet_budget_local",
    help: "1 while the node calls the EC2 action out of its own share of the account's bucket, for the fleet was away at the last call; 0 while the fleet gives the tokens. Without a fleet: nothing.",
    labelNames: ["action"],
    registers,
  });
  return ({ budget = [] }) => {
    for (const metric of [rate, waiting, tokens, away, local]) metric.reset();
    for (const { action, ratePerSecond, waiting: calls, source, sharedTimes = 0, awayTimes = 0 } of budget) {
      rate.set({ action }, ratePerSecond);
      waiting.set({ action }, calls);
      if (source === undefined) continue;
      tokens.inc({ action }, sharedTimes);
      away.inc({ action }, awayTimes);
      local.set({ action }, source === "node" ? 1 : 0);
    }
  };
}

function cloudMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const subnetFree = new Gauge({
    name: "enid_subnet_free_addresses",
    help: "Free addresses of each allowed subnet as EC2 last said. Near 0: tag another subnet before pods wait.",
    labelNames: ["subnet"],
    registers,
  });
  const subnetHeld = new Gauge({
    name: "enid_subnet_held_back",
    help: "1 while no growth is tried in the subnet because it was exhausted; ends by itself once EC2 reports free addresses.",
    labelNames: ["subnet"],
    registers,
  });
  const subnetFragmented = new Gauge({
    name: "enid_subnet_fragmented",
    help: "1 while no prefix is asked for in the subnet because it had no 16 contiguous free addresses; tried again by itself. For hours: make a CIDR reservation for prefixes in the subnet.",
    labelNames: ["subnet"],
    registers,
  });
  const intents = new Gauge({
    name: "enid_intents",
    help: "Steps that change the cloud and are not closed: running a call, or unsettled after an unknown outcome. Unsettled for minutes: look at enid_ec2_calls_total by code.",
    labelNames: ["state"],
    registers,
  });
  const oldest = new Gauge({
    name: "enid_intent_oldest_seconds",
    help: "Age of the oldest open step; 0 when none is open. Above 300: `enid status` names it, the log has its calls.",
    registers,
  });
  const observation = new Gauge({
    name: "enid_observation_age_seconds",
    help: "Age of the last complete observation of the node by source (metadata, cloud); no sample before the first. Metadata above 300: instance metadata does not answer.",
    labelNames: ["source"],
    registers,
  });
  return (status, nowMs) => {
    subnetFree.reset();
    subnetHeld.reset();
    subnetFragmented.reset();
    for (const subnet of status.subnets) {
      subnetFree.set({ subnet: subnet.id }, subnet.freeAddresses);
      subnetHeld.set({ subnet: subnet.id }, subnet.blockedUntilMs > nowMs ? 1 : 0);
      subnetFragmented.set({ subnet: subnet.id }, (subnet.prefixesBlockedUntilMs ?? 0) > nowMs ? 1 : 0);
    }
    for (const state of ["running", "unsettled"] as const) {
      intents.set({ state }, status.intents.filter((intent) => intent.state === state).length);
    }
    oldest.set(
      oldestSeconds(
        status.intents.map((intent) => intent.openedAtMs),
        nowMs,
      ),
    );
    observation.reset();
    for (const source of ["metadata", "cloud"] as const) {
      const atMs = status.observedAtMs[source];
      if (atMs > 0) observation.set({ source }, Math.max(0, nowMs - atMs) / 1000);
    }
  };
}

function conditionMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const ready = new Gauge({
    name: "enid_ready",
    help: "1 when ADD is served and the first fill is reached, as /readyz answers. 0: `enid status` says what it waits for.",
    registers,
  });
  const loopAge = new Gauge({
    name: "enid_loop_age_seconds",
    help: "Time since the manager's loop last came round. Beyond 60 /healthz answers 503 and the daemon should be restarted.",
    registers,
  });
  const degraded = new Gauge({
    name: "enid_degraded",
    help: "1 for each way in which enid gives way now; no sample when all is well. `enid status` shows its error and remedy.",
    labelNames: ["state"],
    registers,
  });
  return (status, _nowMs, loopAgeMs) => {
    ready.set(status.ready ? 1 : 0);
    loopAge.set(loopAgeMs / 1000);
    degraded.reset();
    for (const { name } of status.degraded) degraded.set({ state: name }, 1);
  };
}

function settingsMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const valid = new Gauge({
    name: "enid_configuration_valid",
    help: "1 when the configuration file as it stands is in force; 0 when it is missing or invalid and the last valid settings serve. `enid validate FILE` says why.",
    registers,
  });
  const readAt = new Gauge({
    name: "enid_configuration_read_timestamp_seconds",
    help: "When the configuration in force was read, Unix time; 0 when there is none.",
    registers,
  });
  const overridden = new Gauge({
    name: "enid_setting_overridden",
    help: "1 for each setting that `enid set` overrides on this node. `enid unset NAME` goes back to the file.",
    labelNames: ["setting"],
    registers,
  });
  return ({ configuration, settings }) => {
    valid.set(configuration.source === "file" && configuration.error === undefined ? 1 : 0);
    readAt.set(configuration.readAtMs / 1000);
    overridden.reset();
    for (const [setting, origin] of Object.entries(settings.origins)) {
      if (origin.kind === "override") overridden.set({ setting }, 1);
    }
  };
}

function stateMetrics(registry: Registry): StatusRefresh {
  const registers = [registry];
  const size = new Gauge({
    name: "enid_state_size_bytes",
    help: "Size of the state on disk. It grows with leases, not with time; beyond 64 MB report it.",
    registers,
  });
  const transactions = new Counter({
    name: "enid_state_transactions_total",
    help: "Durable transactions since the start. Changes per transaction tell how well commits are grouped.",
    registers,
  });
  const changes = new Counter({
    name: "enid_state_changes_total",
    help: "Changes of the state made durable since the start: leases, blocks, intents, settings.",
    registers,
  });
  const failures = new Counter({
    name: "enid_state_failures_total",
    help: "Commits that did not reach the disk; new leases are refused meanwhile. Rising: free space on the disk of --state-dir.",
    registers,
  });
  return ({ store }) => {
    size.set(store.sizeBytes);
    setCounter(transactions, store.transactions);
    setCounter(changes, store.changes);
    setCounter(failures, store.failures);
  };
}

function setStates(
  set: (state: AddressState, value: number) => void,
  counts: Readonly<Record<AddressState, number>>,
): void {
  for (const state of ADDRESS_STATES) set(state, counts[state]);
}

/** The store counts itself; prom-client counters can only be added to. */
function setCounter(counter: Counter, value: number): void {
  counter.reset();
  counter.inc(value);
}

function oldestSeconds(sinceMs: readonly number[], nowMs: number): number {
  return sinceMs.length === 0 ? 0 : Math.max(0, nowMs - Math.min(...sinceMs)) / 1000;
}
