import { mkdtempSync, rmSync } from "node:fs";
import { afterAll } from "vitest";
import { type Clock, systemClock } from "../../../src/adapters/index.ts";
import { type BirdPauses, createBird } from "../../../src/handoff/bird/index.ts";
import type { EnidEvent, Reach, ReachBlock, ReachPicture, Telemetry } from "../../../src/manager/ports/index.ts";

/** A folder for the tests of a file; short, for sockets lie in it. */
export function testFolder(): string {
  const folder = mkdtempSync("/tmp/enid-bird-");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Shorter than on a node, for nothing else is waited for. */
export const QUICK: Partial<BirdPauses> = {
  lookMs: 200,
  lookSoonMs: 50,
  retryMs: 20,
  longestRetryMs: 100,
  settleMs: 0,
};

/** A reach over a picture that the test changes. */
export class TestBird {
  readonly events: EnidEvent[] = [];
  told = 0;
  /** How often the picture was looked at. */
  looks = 0;
  picture: ReachPicture;
  readonly reach: Reach;

  constructor(
    bgp: ReachPicture["bgp"],
    pauses: Partial<BirdPauses> = QUICK,
    { clock = systemClock, owner = "/var/lib/enid" }: { clock?: Clock; owner?: string } = {},
  ) {
    this.picture = { primaryInterfaceId: "", interfaces: [], blocks: [], addresses: [], bgp };
    const telemetry: Telemetry = { event: (event) => void this.events.push(event), cloudCall() {}, served() {} };
    this.reach = createBird({ clock, telemetry, pauses, owner });
  }

  start(): void {
    this.reach.start(
      () => {
        this.looks += 1;
        return this.picture;
      },
      () => {
        this.told += 1;
      },
    );
  }

  /** Sets ranges ("10.1.0.0/24"; "-10.1.0.0/24" drains) and leased addresses, and tells. */
  become(ranges: readonly string[], addresses: readonly string[] = [], bgp = this.picture.bgp): void {
    this.picture = {
      ...this.picture,
      blocks: ranges.map(nodeRange),
      addresses: addresses.map((address) => ({ address, interfaceId: "" })),
      bgp,
    };
    this.reach.changed();
  }

  /** Of the events so far: how many have the name. */
  count(name: string): number {
    return this.events.filter((event) => event.name === name).length;
  }
}

function nodeRange(text: string): ReachBlock {
  return { cidr: text.replace("-", ""), kind: "node-cidr", interfaceId: "node", usable: !text.startsWith("-") };
}
