import { parseOverride } from "../../src/configuration/index.ts";
import type { ConfigurationOffer } from "../../src/manager/index.ts";
import type { BlockUnit } from "../../src/planning/index.ts";
import type { Dice } from "../support/world-clock.ts";
import { cidrsOn } from "../support/world-subnets.ts";
import { CALM } from "../support/world-weather.ts";
import type { Process, World } from "./world.ts";
import {
  brokenOffer,
  drawAssignment,
  drawName,
  drawParts,
  type ExpectedSettings,
  OVERRIDDEN,
  offerOf,
  type Parts,
  withFile,
  withOverride,
  withoutOverride,
} from "./world-settings.ts";

/** Which troubles a world knows: each seed draws its own, so that rare ones are not drowned by others. */
export type Climate = Readonly<Record<keyof typeof LIKELIHOOD, boolean>>;

const GROUPS = ["sg-00000001", "sg-00000004", "sg-00000005"];

const LIKELIHOOD = {
  faults: 0.7,
  doubt: 0.6,
  slow: 0.3,
  deaf: 0.15,
  lag: 0.5,
  crashes: 0.7,
  wallSteps: 0.3,
  disk: 0.4,
  slowDisk: 0.5,
  settings: 0.6,
  selections: 0.5,
  strangers: 0.4,
  replacements: 0.2,
  smallSubnets: 0.4,
  fragments: 0.3,
  ipv6: 0.35,
  cards: 0.25,
  groups: 0.3,
  cluster: 0.25,
  slowDetach: 0.3,
};

export function drawClimate(dice: Dice): Climate {
  return Object.fromEntries(
    Object.entries(LIKELIHOOD).map(([name, likelihood]) => [name, dice.chance(likelihood)]),
  ) as Climate;
}

/** What happens to a world besides its pods: EC2's moods, the disk, the settings, and strangers. */
export class Troubles {
  readonly #world: World;
  #parts: Parts;
  /** What the watcher finds of the file now. */
  file: ConfigurationOffer;

  constructor(world: World) {
    this.#world = world;
    this.#parts = drawParts(world.dice, world.climate);
    this.file = offerOf(this.#parts);
  }

  /** The settings as they are expected after a start with the file as it is now. */
  starting(): (done: boolean) => void {
    if (this.file.kind !== "valid") return () => {};
    return this.#world.settings.change(withFile(this.#parts));
  }

  drawWeather(): void {
    const { dice, climate, weather } = this.#world;
    Object.assign(weather, CALM);
    if (climate.faults && dice.chance(0.7)) {
      weather.changesFail = dice.pick([0.1, 0.3, 0.6, 1]);
      weather.describesFail = dice.pick([0, 0, 0.1, 0.5, 1]);
      weather.doubt = climate.doubt ? dice.pick([0.2, 0.6, 1]) : 0;
    }
    if (climate.slow && dice.chance(0.6)) weather.mostMs = dice.pick([2_000, 20_000, 400_000]);
    if (climate.deaf) weather.deaf = dice.pick([0, 0.02, 0.2]);
    if (climate.lag && dice.chance(0.7)) {
      weather.cloudLagMs = dice.pick([500, 8_000]);
      weather.metadataLagMs = dice.pick([2_000, 40_000]);
      weather.incomplete = dice.pick([0, 0.3]);
    }
    if (climate.slowDetach) weather.detachMs = dice.pick([0, 5_000, 60_000, 400_000]);
    this.#world.cloud.detachMs = weather.detachMs;
    this.#world.say(`weather ${JSON.stringify(weather)}`);
  }

  drawDisk(): void {
    const { dice, disk } = this.#world;
    const how = dice.pick(["full", "fine", "fine", "no leases"] as const);
    disk.full = how === "full";
    disk.leasesRefused = how === "no leases";
    this.#world.say(`the disk is ${how}`);
  }

  async changeSettings(process: Process): Promise<void> {
    const { dice, climate } = this.#world;
    if (!process.begun) return;
    switch (dice.weighted({ set: 3, unset: 2, file: 3, broken: 1 })) {
      case "set": {
        const assignment = this.#assignment();
        const act = () => process.manager.setOverride(assignment);
        return this.#ask(`set ${assignment}`, withOverride(assignment), process, act);
      }
      case "unset":
        return this.#unset(drawName(dice), process);
      case "file":
        return this.#newFile(drawParts(dice, climate), process);
      case "broken": {
        this.file = brokenOffer(dice);
        this.#world.say(`file ${this.file.kind}`);
        return process.manager.offerConfiguration(this.file);
      }
    }
  }

  /** `enid set` while no daemon runs writes into the state. */
  async overrideInState(): Promise<void> {
    const { disk, settings, clock } = this.#world;
    const assignment = this.#assignment();
    const done = settings.change(withOverride(assignment));
    this.#world.say(`set ${assignment} in the state`);
    const written = disk.commit([{ kind: "override-put", ...parseOverride(assignment), setAtMs: clock.nowMs() }]).then(
      () => done(true),
      () => done(false),
    );
    await clock.drain();
    await written;
  }

  /** Somebody, or the time service, sets the wall clock. */
  stepWall(): void {
    const { clock, dice } = this.#world;
    clock.wallOffsetMs += dice.pick([-1, 1]) * dice.pick([500, 20_000, 8 * 3_600_000]);
    this.#world.say(`the wall clock is ${clock.wallOffsetMs} ms off`);
  }

  /** Somebody changes the interfaces behind enid's back. */
  meddle(): void {
    const { cloud, dice, climate } = this.#world;
    const entry = dice.pick([...cloud.interfaces.values()]);
    const units: readonly BlockUnit[] = climate.ipv6 ? ["address", "prefix", "ipv6-prefix"] : ["address", "prefix"];
    const { id, deviceIndex } = entry;
    switch (dice.weighted({ take: 3, give: 2, detach: 0.6, attach: 0.4, remove: 0.4, reattach: 0.6, regroup: 0.4 })) {
      case "take":
        if (cidrsOn(entry).length > 0) this.#take(entry.id, dice.pick(cidrsOn(entry)));
        break;
      case "give":
        this.#try(`give a block to ${entry.id}`, () => cloud.assign(entry.id, 1, dice.pick(units)));
        break;
      case "detach":
        if (id !== cloud.primaryId) this.#try(`detach ${id}`, () => cloud.detach(id));
        break;
      case "remove":
        if (deviceIndex < 0) this.#try(`delete ${id}`, () => cloud.remove(id));
        break;
      case "reattach":
        if (deviceIndex < 0) this.#try(`attach ${id}`, () => cloud.attach(id, dice.between(1, 2)));
        break;
      case "regroup":
        this.#try(`change the groups of ${id}`, () => cloud.setSecurityGroups(id, [dice.pick(GROUPS)]));
        break;
      case "attach":
        this.#try("attach an interface", () =>
          cloud.attachOther(dice.chance(0.5), climate.cards ? dice.between(0, 1) : 0),
        );
        break;
    }
  }

  /** Somebody changes the groups of the primary interface: they are everyone's while the settings name none. */
  regroup(): void {
    const { cloud, dice } = this.#world;
    const groups = dice.pick([[dice.pick(GROUPS)], [...GROUPS]]);
    this.#try(`give the primary interface ${groups}`, () => cloud.setSecurityGroups(cloud.primaryId, groups));
  }

  /** Others scatter single addresses over the subnets, or take them away again. */
  fragment(): void {
    const { cloud, dice } = this.#world;
    const how = dice.pick(["scatter", "gather"] as const);
    this.#world.say(`strangers ${how} addresses`);
    cloud.fragment(how);
  }

  /** All is well again, and the settings are such that the node can work. */
  async end(process: Process): Promise<void> {
    const { clock, cloud, climate } = this.#world;
    cloud.cluster.calm();
    cloud.detachMs = 0;
    if (climate.fragments) this.fragment();
    await clock.advance(1_000);
    // Settings that change lift whatever was held back: where they need not, all must end by itself.
    if (!climate.settings && !climate.selections) return;
    for (const name of OVERRIDDEN) await this.#unset(name, process);
    await this.#newFile(drawParts(this.#world.dice, { ...this.#world.climate, selections: false }), process);
  }

  /** The file is as it should be, for a start that must succeed. */
  repairFile(): void {
    this.#parts = drawParts(this.#world.dice, { ...this.#world.climate, selections: false });
    this.file = offerOf(this.#parts);
  }

  #take(interfaceId: string, cidr: string): void {
    this.#try(`take ${cidr} from ${interfaceId}`, () => this.#world.cloud.unassign(interfaceId, [cidr]));
  }

  #try(what: string, act: () => unknown): void {
    this.#world.say(`somebody tries to ${what}`);
    try {
      act();
    } catch {
      this.#world.say("EC2 refuses that");
    }
  }

  #unset(name: string, process: Process): Promise<void> {
    return this.#ask(`unset ${name}`, withoutOverride(name), process, () => process.manager.unsetOverride(name));
  }

  #newFile(parts: Parts, process: Process): Promise<void> {
    this.#parts = parts;
    this.file = offerOf(parts);
    const act = () => process.manager.offerConfiguration(this.file);
    return this.#ask(`file ${JSON.stringify(parts)}`, withFile(parts), process, act);
  }

  #assignment(): string {
    for (;;) {
      const assignment = drawAssignment(this.#world.dice, this.#world.climate);
      if (this.#world.climate.selections || !/^(subnet|security)/.test(assignment)) return assignment;
    }
  }

  async #ask(
    what: string,
    change: Parameters<ExpectedSettings["change"]>[0],
    process: Process,
    act: () => Promise<unknown>,
  ): Promise<void> {
    const world = this.#world;
    world.say(what);
    const done = world.settings.change(change);
    let over = false;
    const finish = (applied: boolean) => {
      over = true;
      if (world.process === process) done(applied);
    };
    act().then(
      () => finish(true),
      () => finish(false),
    );
    await world.clock.advance(1_000, () => over || world.process !== process);
  }
}
