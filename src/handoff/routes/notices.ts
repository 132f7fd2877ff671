import type { ReachPicture } from "../../manager/ports/index.ts";
import { canonical } from "./cidr.ts";
import type { Desired } from "./desired.ts";
import { PRIORITY_NODE_PORT } from "./numbers.ts";

/** `ip -o monitor label` with these: one line for each thing that changes. */
export const MONITOR_ARGUMENTS = ["-o", "monitor", "label", "link", "address", "route", "rule", "netconf"] as const;

/** What a line must speak of to be a reason to look again. */
export interface Watch {
  readonly macs: ReadonlySet<string>;
  /** Names that the devices have or had: `ip monitor` goes on with the old one for a while. */
  readonly devices: ReadonlySet<string>;
  readonly subnets: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
}

export function watchOf(picture: ReachPicture, desired: Desired, earlier: Watch | undefined): Watch {
  const devices = desired.filters.map(({ device }) => device);
  return {
    macs: new Set(picture.interfaces.map(({ mac }) => mac).filter((mac) => mac !== "")),
    devices: new Set([...(earlier?.devices ?? []), ...devices].slice(-DEVICES_KEPT)),
    subnets: new Set(desired.subnetRoutes.map(({ subnet }) => subnet)),
    addresses: watchedAddresses(picture),
  };
}

/** Whose rules should be there. */
export function watchedAddresses({ addresses }: ReachPicture): ReadonlySet<string> {
  return new Set(addresses.map(({ address }) => canonical(address)));
}

const DEVICES_KEPT = 256;

/**
 * PURE. Whether what the line tells could be something that enid has to mend. Most of a node's lines are of pods that come
 * and go, and of what enid did itself: to read everything again for each of them would cost more than they do.
 */
export function isReason(line: string, watch: Watch): boolean {
  const [, label, told = ""] = /^\[(\w+)\](.*)$/.exec(line) ?? [];
  const gone = told.startsWith("Deleted ");
  const words = told.replace(/^Deleted /, "").split(/\s+/);
  switch (label) {
    case "LINK":
      return words.some((word) => watch.macs.has(word));
    case "ADDR":
      return words[2] === "inet" && watch.devices.has(words[1] ?? "");
    case "ROUTE": {
      if (!gone) return watch.subnets.has(words[0] ?? "");
      const table = wordAfter(words, "table");
      return watch.devices.has(wordAfter(words, "dev")) && table !== "" && table !== "local" && table !== "255";
    }
    case "RULE":
      return gone && (words[0] === `${PRIORITY_NODE_PORT}:` || words.some((word) => watch.addresses.has(word)));
    case "NETCONF": {
      const name = words[1] ?? "";
      return words[0] === "inet" && words.includes("rp_filter") && (name === "all" || watch.devices.has(name));
    }
    default:
      // Of a kind that was not asked for, or a complaint: notices may have been lost.
      return true;
  }
}

function wordAfter(words: readonly string[], word: string): string {
  const at = words.indexOf(word);
  return at < 0 ? "" : (words[at + 1] ?? "");
}
