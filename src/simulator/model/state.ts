/** The state of the simulated cloud and the few ways to change it. Everything else of the model goes through here. */
import type { Random } from "../../adapters/index.ts";
import type { Caller } from "./credentials.ts";
import { append, describedAt, type History, inMetadataAt, isForgotten, truth } from "./history.ts";
import type { Use6 } from "./ipv6-addresses.ts";
import type { MetadataView } from "./metadata/view.ts";
import type {
  Holder,
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
  /** Who holds which address, by subnet id. Addresses that EC2 reserves are not in it. */
  readonly holders: Map<string, Map<number, Holder>>;
  /** What IPv6 addresses and prefixes are held, by subnet id. */
  readonly ipv6: Map<string, Use6>;
  readonly reservations: Map<string, Reservation>;
  /** Addresses that `fragment` took, by subnet id. */
  readonly fragments: Map<string, readonly string[]>;
  /** Interfaces that are or were attached to an instance, by its id: no call need look at all interfaces. */
  readonly interfacesByInstance: Map<string, Set<string>>;
  /** What is wrong with the metadata of an instance, by its id. */
  readonly metadataViews: Map<string, MetadataView>;
  /** Interface ids by attachment id. */
  readonly attachments: Map<string, string>;
  /** Answers of CreateNetworkInterface by ClientToken, oldest first. */
  readonly clientTokens: Map<string, ClientToken>;
  /** Callers by the access key ids that were given out; one map for all accounts. */
  readonly callers: Map<string, Caller>;
  /** Changes that time brings, earliest first. */
  readonly transitions: Transition[];
}

export interface ClientToken {
  /** The canonical parameters of the first call. */
  readonly fingerprint: string;
  readonly created: NetworkInterface;
}

export interface Transition {
  readonly dueMs: number;
  readonly kind: "attached" | "detached";
  readonly interfaceId: string;
  readonly attachmentId: string;
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
    holders: new Map(),
    ipv6: new Map(),
    reservations: new Map(),
    fragments: new Map(),
    interfacesByInstance: new Map(),
    metadataViews: new Map(),
    attachments: new Map(),
    clientTokens: new Map(),
    callers,
    transitions: [],
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
  return historiesOf(state, instanceId)
    .flatMap((history) => truth(history) ?? [])
    .filter((one) => one.attachment?.instanceId === instanceId);
}

/** Every interface as one replica's Describe shows it now. */
export function describedInterfaces(world: World, replica: number): NetworkInterface[] {
  return [...world.state.interfaces.values()].flatMap((history) => describedAt(history, world.nowMs, replica) ?? []);
}

/** What instance metadata shows of the instance now. */
export function metadataInterfaces(world: World, instanceId: string): NetworkInterface[] {
  return historiesOf(world.state, instanceId)
    .flatMap((history) => inMetadataAt(history, world.nowMs) ?? [])
    .filter((one) => one.attachment?.instanceId === instanceId);
}

/** Of the interfaces that are or were attached to the instance. */
function historiesOf(state: CloudState, instanceId: string): History[] {
  return [...(state.interfacesByInstance.get(instanceId) ?? [])]
    .map((id) => state.interfaces.get(id))
    .filter((history) => history !== undefined);
}

function index(state: CloudState, record: NetworkInterface | undefined): void {
  if (!record?.attachment) return;
  const { instanceId } = record.attachment;
  const ids = state.interfacesByInstance.get(instanceId);
  if (ids) ids.add(record.id);
  else state.interfacesByInstance.set(instanceId, new Set([record.id]));
}

/** Puts a new or changed record in force; the views follow after their lags. */
export function putInterface(world: World, record: NetworkInterface): NetworkInterface {
  publish(world, record.id, record);
  return record;
}

/** Puts an interface in force that everybody has known for long. */
export function seedInterface(world: World, record: NetworkInterface): NetworkInterface {
  const describeFromMs = Array.from({ length: world.settings.describeReplicas }, () => 0);
  world.state.interfaces.set(record.id, [{ record, describeFromMs, metadataFromMs: 0 }]);
  if (record.attachment) world.state.attachments.set(record.attachment.id, record.id);
  index(world.state, record);
  return record;
}

/** Takes back what `seedInterface` put in force at this moment: nobody has seen it. */
export function unseedInterface({ state }: World, { id, attachment }: NetworkInterface): void {
  state.interfaces.delete(id);
  if (!attachment) return;
  state.attachments.delete(attachment.id);
  state.interfacesByInstance.get(attachment.instanceId)?.delete(id);
}

export function dropInterface(world: World, id: string): void {
  publish(world, id, undefined);
  forgetDeleted(world.state, world.nowMs);
}

/** Forgets deleted interfaces that no view shows any more. */
function forgetDeleted(state: CloudState, nowMs: number): void {
  for (const [id, history] of state.interfaces) {
    if (!isForgotten(history, nowMs)) continue;
    state.interfaces.delete(id);
    for (const ids of state.interfacesByInstance.values()) ids.delete(id);
  }
}

/** Enters a change that time brings, in order of its moment. */
export function schedule(state: CloudState, transition: Transition): void {
  const next = state.transitions.findIndex((other) => other.dueMs > transition.dueMs);
  state.transitions.splice(next === -1 ? state.transitions.length : next, 0, transition);
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

function publish(world: World, id: string, record: NetworkInterface | undefined): void {
  const { state, settings, nowMs } = world;
  const history = state.interfaces.get(id);
  const isNew = history === undefined;
  const describeFromMs = Array.from({ length: settings.describeReplicas }, () =>
    isNew ? (record?.visibleFromMs ?? nowMs) : nowMs + drawMs(world, settings.describeLagMs),
  );
  const wasAttached = truth(history)?.attachment !== undefined;
  const metadataFromMs = metadataMoment(world, record, wasAttached);
  index(state, record);
  state.interfaces.set(id, append(history ?? [], { record, describeFromMs, metadataFromMs }, nowMs));
}

/** A fresh attachment shows its MAC half-way to being complete; an interface of no instance is in no metadata. */
function metadataMoment(world: World, record: NetworkInterface | undefined, wasAttached: boolean): number {
  const { nowMs, settings } = world;
  if (record?.attachment && !wasAttached) return (nowMs + record.attachment.metadataCompleteAtMs) / 2;
  return wasAttached ? nowMs + drawMs(world, settings.metadataLagMs) : nowMs;
}
