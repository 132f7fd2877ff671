import ipaddr from "ipaddr.js";
import type { Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import { canonicalPrefix } from "./block-units.ts";
import { linesOf, type MetadataClient } from "./metadata-client.ts";

/** An interface as instance metadata shows it. */
export interface MetadataInterface {
  readonly id: string;
  readonly mac: string;
  readonly deviceIndex: number;
  readonly networkCard: number;
  readonly subnetId: string;
  /** Empty on an IPv6-only subnet. */
  readonly subnetCidr: string;
  /** The primary address first. Undefined: none is shown (not yet populated, IPv6-only, or EFA-only). */
  readonly addresses: readonly string[] | undefined;
  readonly prefixes: readonly string[];
  /** Canonical. */
  readonly ipv6Prefixes: readonly string[];
  /** False: its prefixes could not be read, so that what is missing above means nothing. */
  readonly complete: boolean;
  readonly securityGroups: readonly string[];
}

/** The texts of keys that stay as they are while the interface is attached, once its attachment has propagated. */
interface FixedTexts {
  readonly id: string | undefined;
  readonly number: string | undefined;
  readonly card: string | undefined;
  readonly subnetId: string | undefined;
  readonly subnetCidr: string | undefined;
}

/** The texts of keys that change. Undefined: there is none. Null: it could not be read. */
interface ChangingTexts {
  readonly addresses: string | undefined;
  readonly prefixes: string | undefined | null;
  readonly ipv6Prefixes: string | undefined | null;
  readonly securityGroups: string | undefined;
}

/** Of one interface: the keys that change. */
interface ChangingPaths {
  readonly addresses: string;
  readonly prefixes: string;
  readonly ipv6Prefixes: string;
  readonly securityGroups: string;
}

interface Remembered {
  readonly fixed: FixedTexts;
  readonly changing: ChangingTexts;
  readonly seen: MetadataInterface;
  /** Two looks in a row read the same fixed texts: the tree is not being filled any more. */
  readonly isConfirmed: boolean;
  /** When the fixed texts were read last, monotonic. */
  readonly readAtMs: number;
}

/** A place that changed between two looks, with nobody telling, is seen after this time at the latest. */
const FIXED_FOR_MS = 10 * 60_000;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/**
 * What earlier looks read, by MAC: one look then asks for the keys that change and takes the others from here. An
 * interface is read whole again when its MAC was away, when anything about it looks wrong, when EC2 says something else
 * of it than metadata did (`agrees`), and every ten minutes. What was read is parsed once: a look that reads the same
 * gives the same objects.
 */
export class InterfaceTexts {
  readonly #clock: Clock;
  readonly #agrees: (seen: MetadataInterface) => boolean;
  readonly #byMac = new Map<string, Remembered>();
  readonly #paths = new Map<string, ChangingPaths>();
  #listed: { readonly text: string; readonly macs: readonly string[] } = { text: "", macs: [] };

  constructor(clock: Clock, agrees: (seen: MetadataInterface) => boolean) {
    this.#clock = clock;
    this.#agrees = agrees;
  }

  /** What needs no reading now; undefined: everything does. */
  fixedOf(mac: string): FixedTexts | undefined {
    const known = this.#byMac.get(mac);
    if (!known?.isConfirmed || this.#clock.monotonicMs() - known.readAtMs >= FIXED_FOR_MS) return undefined;
    return this.#agrees(known.seen) ? known.fixed : undefined;
  }

  /** The interface as it was when these very texts were read. */
  recall(mac: string, fixed: FixedTexts, changing: ChangingTexts): MetadataInterface | undefined {
    const known = this.#byMac.get(mac);
    return known !== undefined && isSameFixed(known.fixed, fixed) && isSameChanging(known.changing, changing)
      ? known.seen
      : undefined;
  }

  /** `isWhole`: the fixed texts were read in this look as well. */
  learn(fixed: FixedTexts, changing: ChangingTexts, seen: MetadataInterface, isWhole: boolean): void {
    const known = this.#byMac.get(seen.mac);
    if (!isWhole && known?.seen === seen && known.isConfirmed && known.fixed === fixed) return;
    const isConfirmed = known !== undefined && isSameFixed(known.fixed, fixed);
    const readAtMs = isWhole || known === undefined ? this.#clock.monotonicMs() : known.readAtMs;
    this.#byMac.set(seen.mac, { fixed, changing, seen, isConfirmed, readAtMs });
  }

  forget(mac: string): void {
    this.#byMac.delete(mac);
  }

  forgetAll(): void {
    this.#byMac.clear();
  }

  /** Those that the text lists; all others are forgotten. */
  keep(text: string): readonly string[] {
    if (text !== this.#listed.text) {
      const macs = macsIn(text);
      for (const known of [this.#byMac, this.#paths]) {
        for (const mac of known.keys()) if (!macs.includes(mac)) known.delete(mac);
      }
      this.#listed = { text, macs };
    }
    return this.#listed.macs;
  }

  pathsOf(mac: string): ChangingPaths {
    const known = this.#paths.get(mac) ?? changingPaths(mac);
    this.#paths.set(mac, known);
    return known;
  }
}

/**
 * Reads the tree of interfaces. `unreadable` names those of which an essential part is missing: a new mac appears
 * before its keys do, and one that goes away loses them first. Without a memory every key is read.
 */
export async function readInterfaces(
  metadata: MetadataClient,
  primaryMac: string,
  signal?: AbortSignal,
  memory?: InterfaceTexts,
): Promise<{ readonly interfaces: readonly MetadataInterface[]; readonly unreadable: readonly string[] }> {
  try {
    const path = "/latest/meta-data/network/interfaces/macs/";
    const text = await metadata.text(path, signal);
    if (text === undefined) throw new EnidError("ENID_METADATA_INCOMPLETE", { path });
    const macs = memory?.keep(text) ?? macsIn(text);
    const read = await Promise.all(
      macs.map((mac) => readInterface({ metadata, mac, primary: mac === primaryMac, signal, memory })),
    );
    return {
      interfaces: read.filter((one) => one !== undefined),
      unreadable: macs.filter((_, position) => read[position] === undefined),
    };
  } catch (error) {
    memory?.forgetAll();
    throw error;
  }
}

interface Look {
  readonly metadata: MetadataClient;
  readonly mac: string;
  readonly primary: boolean;
  readonly signal: AbortSignal | undefined;
  readonly memory: InterfaceTexts | undefined;
}

async function readInterface(look: Look): Promise<MetadataInterface | undefined> {
  const { mac, memory } = look;
  const known = memory?.fixedOf(mac);
  if (known !== undefined) {
    const changing = await readChanging(look);
    const seen = memory?.recall(mac, known, changing) ?? judge(look, known, changing);
    if (seen !== undefined && isSound(seen)) {
      memory?.learn(known, changing, seen, false);
      return seen;
    }
  }
  const [fixed, changing] = await Promise.all([readFixed(look), readChanging(look)]);
  const seen = memory?.recall(mac, fixed, changing) ?? judge(look, fixed, changing);
  if (seen !== undefined && isSound(seen)) memory?.learn(fixed, changing, seen, true);
  else memory?.forget(mac);
  return seen;
}

async function readFixed({ metadata, mac, signal }: Look): Promise<FixedTexts> {
  const line = async (key: string) => (await metadata.text(`${folderOf(mac)}/${key}`, signal))?.trim();
  const [id, number, card, subnetId, subnetCidr] = await Promise.all([
    line("interface-id"),
    line("device-number"),
    // The documentation calls it network-card-index, instances serve network-card; absent on types with one card.
    line("network-card"),
    line("subnet-id"),
    line("subnet-ipv4-cidr-block"),
  ]);
  return { id, number, card, subnetId, subnetCidr };
}

async function readChanging({ metadata, mac, signal, memory }: Look): Promise<ChangingTexts> {
  const paths = memory?.pathsOf(mac) ?? changingPaths(mac);
  const [addresses, prefixes, ipv6Prefixes, securityGroups] = await Promise.all([
    metadata.text(paths.addresses, signal),
    readPrefixes(metadata, paths.prefixes, signal),
    readPrefixes(metadata, paths.ipv6Prefixes, signal),
    metadata.text(paths.securityGroups, signal),
  ]);
  return { addresses, prefixes, ipv6Prefixes, securityGroups };
}

/**
 * 404 is none (or not yet: metadata does not tell the two apart). Null when it cannot be read for another reason: that
 * says nothing of the prefixes, and the rest of the interface is worth having all the same.
 */
function readPrefixes(
  metadata: MetadataClient,
  path: string,
  signal?: AbortSignal,
): Promise<string | undefined | null> {
  return metadata.text(path, signal).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    return null;
  });
}

function macsIn(text: string): readonly string[] {
  const entries = linesOf(text) ?? [];
  return entries.map((entry) => entry.replace(/\/$/, "").toLowerCase()).filter((entry) => MAC.test(entry));
}

function changingPaths(mac: string): ChangingPaths {
  const folder = folderOf(mac);
  return {
    addresses: `${folder}/local-ipv4s`,
    prefixes: `${folder}/ipv4-prefix`,
    ipv6Prefixes: `${folder}/ipv6-prefix`,
    securityGroups: `${folder}/security-group-ids`,
  };
}

function folderOf(mac: string): string {
  return `/latest/meta-data/network/interfaces/macs/${mac}`;
}

function judge(
  { mac, primary }: Look,
  { id, number, card, subnetId, subnetCidr }: FixedTexts,
  changing: ChangingTexts,
): MetadataInterface | undefined {
  const deviceIndex = wholeNumber(number);
  const networkCard = card === undefined ? 0 : wholeNumber(card);
  if (id === undefined || subnetId === undefined || deviceIndex === undefined || networkCard === undefined) {
    return undefined;
  }
  // device-number reads 0 until the attachment has propagated; only the primary interface really has 0 on card 0.
  if (deviceIndex === 0 && networkCard === 0 && !primary) return undefined;
  const addresses = linesOf(changing.addresses);
  const prefixes = prefixesOf(changing.prefixes);
  const ipv6Prefixes = prefixesOf(changing.ipv6Prefixes);
  return {
    id,
    mac,
    deviceIndex,
    networkCard,
    subnetId,
    subnetCidr: subnetCidr ?? "",
    addresses: addresses === undefined || addresses.length === 0 ? undefined : addresses,
    prefixes: prefixes ?? [],
    ipv6Prefixes: ipv6Prefixes ?? [],
    complete: prefixes !== undefined && ipv6Prefixes !== undefined,
    securityGroups: linesOf(changing.securityGroups) ?? [],
  };
}

/** Canonical. Undefined when the text could not be read or holds what is no prefix: it was cut off. */
function prefixesOf(text: string | undefined | null): readonly string[] | undefined {
  if (text === null) return undefined;
  const lines = (linesOf(text) ?? []).map(canonicalPrefix);
  return lines.every((line) => line !== undefined) ? lines : undefined;
}

const judgedSound = new WeakMap<MetadataInterface, boolean>();

/** All of it is there, and its IPv4 addresses are of its subnet. */
function isSound(seen: MetadataInterface): boolean {
  const known = judgedSound.get(seen);
  if (known !== undefined) return known;
  const { addresses, prefixes, subnetCidr, complete } = seen;
  const isRange = ipaddr.IPv4.isValidCIDRFourPartDecimal(subnetCidr);
  const range = isRange ? ipaddr.IPv4.parseCIDR(subnetCidr) : undefined;
  const isInside = (block: string) => {
    const [address = ""] = block.split("/");
    return (
      range !== undefined && ipaddr.IPv4.isValidFourPartDecimal(address) && ipaddr.IPv4.parse(address).match(range)
    );
  };
  const isWhole = complete && (addresses?.every(isInside) ?? false) && prefixes.every(isInside);
  judgedSound.set(seen, isWhole);
  return isWhole;
}

function isSameFixed(one: FixedTexts, other: FixedTexts): boolean {
  if (one === other) return true;
  if (one.id !== other.id || one.number !== other.number || one.card !== other.card) return false;
  return one.subnetId === other.subnetId && one.subnetCidr === other.subnetCidr;
}

function isSameChanging(one: ChangingTexts, other: ChangingTexts): boolean {
  if (one.addresses !== other.addresses || one.securityGroups !== other.securityGroups) return false;
  return one.prefixes === other.prefixes && one.ipv6Prefixes === other.ipv6Prefixes;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}
