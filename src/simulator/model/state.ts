/** The state of the simulated cloud and the few ways to change it. Everything else of the model goes through here. */
import type { Random } from "../../adapters/index.ts";
import type { AddressSpace } from "./address-space.ts";
import { Agenda } from "./agenda.ts";
import type { Caller } from "./credentials.ts";
import { Heap } from "./heap.ts";
import { append, describedAt, type History, inMetadataAt, isForgotten, settledAtMs, truth } from "./history.ts";
import { InterfaceIndex } from "./interface-index.ts";
import type { Use6 } from "./ipv6-addresses.ts";
import type { MetadataView } from "./metadata/view.ts";
import type {
  Instance,
  NetworkInterface,
  Reservation,
  RouteTable,
  SecurityGroup,
  Subnet,
  Tags,
  Vpc,
} from "./records.ts";
import type { Settings, Span } from "./settings.ts";

export interface CloudState {
  readonly region: string;
  readonly account: string;
  readonly vpcs: Map<string, Vpc>;
  readonly subnets: Map<string, Subnet>;
  readonly securityGroups: Map<string, SecurityGroup>;
  readonly routeTables: Map<string, RouteTable>;
  readonly instances: Map<string, Instance>;
  readonly interfaces: Map<string, History>;
  /** Where to look for them: no call need look at all interfaces. */
  readonly index: InterfaceIndex;
  /** Deleted interfaces by the moment from which no view shows them. */
  readonly deleted: Heap<{ readonly id: string; readonly settledAtMs: number }>;
  /** Who holds which IPv4 address, by subnet id. */
  readonly spaces: Map<string, AddressSpace>;
  /** What IPv6 addresses and prefixes are held, by subnet id. */
  readonly ipv6: Map<string, Use6>;
  readonly reservations: Map<string, Reservation>;
  /** Addresses that `fragment` took, by subnet id. */
  readonly fragments: Map<string, readonly string[]>;
  /** What is wrong with the metadata of an instance, by its id. */
  readonly metadataViews: Map<string, MetadataView>;
  /** Interface ids by attachment id. */
  readonly attachments: Map<string, string>;
  /** Answers of CreateNetworkInterface by ClientToken, oldest first. */
  readonly clientTokens: Map<string, ClientToken>;
  /** Callers by the access key ids that were given out; one map for all accounts. */
  readonly callers: Map<string, Caller>;
  /** Changes that time brings. */
  readonly agenda: Agenda;
}

export interface ClientToken {
  /** The canonical parameters of the first call. */
  readonly fingerprint: string;
  readonly created: NetworkInterface;
}

/** What an action works on: the state, and the moment and the chance it happens at. */
export interface World {
  readonly state: CloudState;
  readonly settings: Settings;
  /** Wall ms since the epoch. */
  readonly nowMs: number;
  readonly random: Random;
}

export function emptyState(region: string, account: string, callers = new Map<string, Caller>()): CloudState {
  return {
    region,
    account,
    vpcs: new Map(),
    subnets: new Map(),
    securityGroups: new Map(),
    routeTables: new Map(),
    instances: new Map(),
    interfaces: new Map(),
    index: new InterfaceIndex(),
    deleted: new Heap((one, other) => one.settledAtMs < other.settledAtMs),
    spaces: new Map(),
    ipv6: new Map(),
    reservations: new Map(),
    fragments: new Map(),
    metadataViews: new Map(),
    attachments: new Map(),
    clientTokens: new Map(),
    callers,
    agenda: new Agenda(),
  };
}

/** The interface as it is, whatever the views show. */
export function findInterface(state: CloudState, id: string): NetworkInterface | undefined {
  return truth(state.interfaces.get(id));
}

/** Every interface as it is. */
export function allInterfaces(state: CloudState): NetworkInterface[] {
  return [...state.interfaces.values()].flatMap((history) => truth(history) ?? []);
}

export function interfacesOf(state: CloudState, instanceId: string): NetworkInterface[] {
  return ofInstance(state, instanceId, truth);
}

/** Every interface as one replica's Describe shows it now. */
export function describedInterfaces(world: World, replica: number): NetworkInterface[] {
  return [...world.state.interfaces.values()].flatMap((history) => describedAt(history, world.nowMs, replica) ?? []);
}

/** One interface as one replica's Describe shows it now. */
export function describedInterface(world: World, replica: number, id: string): NetworkInterface | undefined {
  const history = world.state.interfaces.get(id);
  return history && describedAt(history, world.nowMs, replica);
}

/** The interfaces of an instance as one replica's Describe shows them now, in the order in which they came to be. */
export function describedInterfacesOf(world: World, replica: number, instanceId: string): NetworkInterface[] {
  const { state, nowMs } = world;
  const found = ofInstance(state, instanceId, (history) => describedAt(history, nowMs, replica));
  return found.sort(state.index.bySerial);
}

/** What instance metadata shows of the instance now. */
export function metadataInterfaces({ state, nowMs }: World, instanceId: string): NetworkInterface[] {
  return ofInstance(state, instanceId, (history) => inMetadataAt(history, nowMs));
}

/** When metadata shows the instance something else next, by its lag alone; Infinity: nothing that is known of now. */
export function nextMetadataChangeMs({ state, nowMs }: World, instanceId: string): number {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const id of state.index.ofInstance(instanceId)) {
    for (const { metadataFromMs } of state.interfaces.get(id) ?? []) {
      if (metadataFromMs > nowMs && metadataFromMs < nextMs) nextMs = metadataFromMs;
    }
  }
  return nextMs;
}

/** A number that grows whenever an interface changes that is or was attached to the instance; views follow by their lags. */
export function versionOf(state: CloudState, instanceId: string): number {
  return state.index.version(instanceId);
}

/** What a view shows attached to the instance. */
function ofInstance(
  state: CloudState,
  instanceId: string,
  view: (history: History) => NetworkInterface | undefined,
): NetworkInterface[] {
  const found: NetworkInterface[] = [];
  for (const id of state.index.ofInstance(instanceId)) {
    const history = state.interfaces.get(id);
    const shown = history && view(history);
    if (shown?.attachment?.instanceId === instanceId) found.push(shown);
  }
  return found;
}

function store(state: CloudState, id: string, history: History): void {
  state.interfaces.set(id, history);
  state.index.put(id, history);
}

/** Puts a new or changed record in force; the views follow after their lags. */
export function putInterface(world: World, record: NetworkInterface): NetworkInterface {
  publish(world, record.id, record);
  return record;
}

/** Puts an interface in force that everybody has known for long. */
export function seedInterface(world: World, record: NetworkInterface): NetworkInterface {
  const describeFromMs = Array.from({ length: world.settings.describeReplicas }, () => 0);
  store(world.state, record.id, [{ record, describeFromMs, metadataFromMs: 0 }]);
  if (record.attachment) world.state.attachments.set(record.attachment.id, record.id);
  return record;
}

/** Takes back what `seedInterface` put in force at this moment: nobody has seen it. */
export function unseedInterface({ state }: World, { id, attachment }: NetworkInterface): void {
  state.interfaces.delete(id);
  state.index.remove(id);
  if (attachment) state.attachments.delete(attachment.id);
}

export function dropInterface(world: World, id: string): void {
  const { state, nowMs } = world;
  const history = publish(world, id, undefined);
  state.deleted.add({ id, settledAtMs: settledAtMs(history) });
  forgetDeleted(state, nowMs);
}

/** Forgets deleted interfaces that no view shows any more. */
function forgetDeleted(state: CloudState, nowMs: number): void {
  for (let first = state.deleted.first(); first && first.settledAtMs <= nowMs; first = state.deleted.first()) {
    state.deleted.takeFirst();
    const history = state.interfaces.get(first.id);
    if (!history || !isForgotten(history, nowMs)) continue;
    state.interfaces.delete(first.id);
    state.index.remove(first.id);
  }
}

/** A duration of that span at the speed of the settings, in milliseconds. */
export function drawMs(world: Pick<World, "settings" | "random">, span: Span): number {
  return (span.minMs + (span.maxMs - span.minMs) * world.random.fraction()) / world.settings.speed;
}

/** An id in EC2's form: the kind and 17 hexadecimal digits. */
export function drawId(world: Pick<World, "random">, kind: string): string {
  return `${kind}-0${world.random.id().replaceAll("-", "").slice(0, 16)}`;
}

/** The tags with others over them. */
export function withTags(tags: Tags, others: ReadonlyMap<string, string>): Tags {
  return Object.fromEntries([...Object.entries(tags), ...others]);
}

function publish(world: World, id: string, record: NetworkInterface | undefined): History {
  const { state, settings, nowMs } = world;
  const history = state.interfaces.get(id);
  const isNew = history === undefined;
  const describeFromMs = Array.from({ length: settings.describeReplicas }, () =>
    isNew ? (record?.visibleFromMs ?? nowMs) : nowMs + drawMs(world, settings.describeLagMs),
  );
  const wasAttached = truth(history)?.attachment !== undefined;
  const metadataFromMs = metadataMoment(world, record, wasAttached);
  const next = append(history ?? [], { record, describeFromMs, metadataFromMs }, nowMs);
  store(state, id, next);
  return next;
}

/** A fresh attachment shows its MAC half-way to being complete; an interface of no instance is in no metadata. */
function metadataMoment(world: World, record: NetworkInterface | undefined, wasAttached: boolean): number {
  const { nowMs, settings } = world;
  if (record?.attachment && !wasAttached) return (nowMs + record.attachment.metadataCompleteAtMs) / 2;
  return wasAttached ? nowMs + drawMs(world, settings.metadataLagMs) : nowMs;
}
