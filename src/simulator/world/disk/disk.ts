import { EnidError } from "../../../errors.ts";
import type { Intent, StoredState } from "../../../manager/ports/index.ts";
import type { Attachment, Lease } from "../../../pool/index.ts";
import type { Call } from "../../../state/index.ts";
import { DiskFaults } from "./faults.ts";
import type { Medium } from "./medium.ts";
import { LifeStore } from "./process-store.ts";
import { ReleasingIndex } from "./releasing.ts";
import type { Cut, DiskProcess, ProcessStore, Room, WorldDisk, WorldDiskOptions } from "./types.ts";

const USUAL_LATENCY = { minMs: 0, maxMs: 6 };

/** A disk of the world on whatever keeps its bytes. */
export class DiskOnMedium implements WorldDisk {
  readonly #medium: Medium;
  readonly #faults: DiskFaults;
  #version = 0;
  #lives = 0;
  #inUse = false;
  #loaded: { readonly version: number; readonly state: StoredState } | undefined;
  #releasing: ReleasingIndex | undefined;
  #blocks: ReadonlyMap<string, string> | undefined;

  constructor(medium: Medium, { latency = USUAL_LATENCY }: WorldDiskOptions) {
    this.#medium = medium;
    this.#faults = new DiskFaults(latency);
  }

  open(process: DiskProcess): ProcessStore {
    if (this.#inUse) throw new EnidError("ENID_STATE_LOCKED", { file: "of the simulated machine", pid: "unknown" });
    const life = this.#medium.start();
    this.#inUse = true;
    this.#lives += 1;
    // A fork does not depend on what was drawn before: without the count each life would meet the same draws.
    const diceOf = (what: string) => process.dice.fork(`disk ${what} ${this.#lives}`);
    return new LifeStore({
      life,
      process,
      faults: this.#faults,
      events: { written: (calls) => this.#written(calls), ended: (how) => this.#ended(how) },
      latencyDice: diceOf("latency"),
      faultDice: diceOf("fault"),
      cutDice: diceOf("cut"),
    });
  }

  get version(): number {
    return this.#version;
  }

  load(): StoredState {
    if (this.#loaded?.version !== this.#version) {
      this.#loaded = { version: this.#version, state: this.#medium.durable().state() };
    }
    return this.#loaded.state;
  }

  blocks(): ReadonlyMap<string, string> {
    this.#blocks ??= new Map(Array.from(this.#medium.durable().blocks(), (block) => [block.cidr, block.interfaceId]));
    return this.#blocks;
  }

  leaseOf(attachment: Attachment): Lease | undefined {
    return this.#medium.durable().leaseOf(attachment);
  }

  leaseOfAddress(address: string): Lease | undefined {
    return this.#medium.durable().leaseOfAddress(address);
  }

  intent(id: string): Intent | undefined {
    return this.#medium.durable().intent(id);
  }

  isReleasing(cidr: string): boolean {
    const tables = this.#medium.durable();
    this.#releasing ??= new ReleasingIndex(tables.intents());
    return this.#releasing.covers(cidr, tables);
  }

  fill(room: Room = "none"): void {
    this.#faults.full = room;
  }

  free(): void {
    this.#faults.full = undefined;
  }

  refuse(probability: number): void {
    this.#faults.refusal = probability;
  }

  slow(minMs: number, maxMs: number): void {
    this.#faults.latency = { minMs, maxMs };
  }

  heal(): void {
    this.#faults.heal();
  }

  #written(calls: readonly Call[]): void {
    this.#version += calls.length;
    if (calls.some((call) => call.some(touchesIntents))) this.#releasing = undefined;
    if (calls.some((call) => call.some(touchesBlocks))) this.#blocks = undefined;
  }

  #ended(how: "close" | Cut): void {
    this.#inUse = false;
    if (how === "close") return;
    this.#version += 1;
    this.#releasing = undefined;
    this.#blocks = undefined;
  }
}

function touchesIntents({ kind }: Call[number]): boolean {
  return kind === "intent-put" || kind === "intent-close" || kind === "instance-adopted";
}

function touchesBlocks({ kind }: Call[number]): boolean {
  return (
    kind === "blocks-put" || kind === "blocks-remove" || kind === "interface-remove" || kind === "instance-adopted"
  );
}
