/** What is wrong with the picture that an instance's metadata gives, beyond its usual lag. */
import type { NetworkInterface } from "../records.ts";
import { metadataInterfaces, type World } from "../state.ts";

export interface MetadataView {
  /** Interfaces whose MAC is missing, by id. */
  readonly missing: readonly string[];
  /** Interfaces that show only their MAC and device number 0, by id. */
  readonly bare: readonly string[];
  /** Interfaces of which every other address and prefix is missing, the primary address never; by id, `*` for all. */
  readonly partial: readonly string[];
  /** Interfaces as they were when the picture froze; undefined: it follows the changes. */
  readonly frozen: readonly NetworkInterface[] | undefined;
}

/** What may be said of it: `frozen` keeps the picture of this moment. */
export interface MetadataViewPatch {
  readonly missing?: readonly string[];
  readonly bare?: readonly string[];
  readonly partial?: readonly string[];
  readonly frozen?: boolean;
}

const TRUE_VIEW: MetadataView = { missing: [], bare: [], partial: [], frozen: undefined };

const NONE: ReadonlySet<string> = new Set();

/** `patch` over the view in force; says which one is in force then. */
export function changeMetadataView(world: World, instanceId: string, patch: MetadataViewPatch): MetadataView {
  const { frozen, ...lists } = patch;
  const before = world.state.metadataViews.get(instanceId) ?? TRUE_VIEW;
  const picture = frozen === true ? (before.frozen ?? metadataInterfaces(world, instanceId)) : undefined;
  const view = { ...before, ...lists, frozen: frozen === undefined ? before.frozen : picture };
  world.state.metadataViews.set(instanceId, view);
  return view;
}

/** The interfaces that metadata shows, and which of them show nothing but their MAC. */
export function shownInterfaces(
  world: World,
  instanceId: string,
): { readonly interfaces: NetworkInterface[]; readonly bare: ReadonlySet<string> } {
  const view = world.state.metadataViews.get(instanceId);
  if (view === undefined) return { interfaces: metadataInterfaces(world, instanceId), bare: NONE };
  const seen = view.frozen ?? metadataInterfaces(world, instanceId);
  const interfaces = seen
    .filter((one) => !view.missing.includes(one.id))
    .map((one) => (view.partial.includes(one.id) || view.partial.includes("*") ? halfOf(one) : one));
  return { interfaces, bare: new Set(view.bare) };
}

function halfOf(one: NetworkInterface): NetworkInterface {
  const half = (texts: readonly string[]) => texts.filter((_, index) => index % 2 === 1);
  return {
    ...one,
    secondaryAddresses: half(one.secondaryAddresses),
    prefixes: half(one.prefixes),
    ipv6Addresses: half(one.ipv6Addresses),
    ipv6Prefixes: half(one.ipv6Prefixes),
  };
}
