import type { Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { ConfigurationOffer } from "../../manager/index.ts";
import type { NodeSections } from "../scenario/index.ts";
import type { Daemon } from "./daemon.ts";
import { configurationOf } from "./sections-text.ts";

/** As the daemon's own feed does: what could not be applied is offered again. */
const OFFER_AGAIN_MS = 5_000;

/** The configuration file, as it lies on the machine. */
type File = { readonly kind: "valid"; readonly sections: NodeSections } | { readonly kind: "invalid" | "missing" };

export interface MachineFileOptions {
  readonly clock: Clock;
  readonly sections: NodeSections;
  /** The daemon that is there now. */
  readonly daemon: () => Daemon | undefined;
  readonly log: (text: string) => void;
}

/** The configuration file of a machine, and what the daemon hears of it. */
export class MachineFile {
  readonly #options: MachineFileOptions;
  #file: File;
  /** What the file says when it is whole. */
  #sections: NodeSections;
  readonly #configurations: { readonly sections: NodeSections; untilMs: number }[] = [];

  constructor(options: MachineFileOptions) {
    this.#options = options;
    const { sections } = options;
    this.#sections = sections;
    this.#file = { kind: "valid", sections };
    this.#configurations.push({ sections, untilMs: Number.POSITIVE_INFINITY });
  }

  /** What it says when it is whole. */
  get sections(): NodeSections {
    return this.#sections;
  }

  /** Every configuration that a whole file had, with the moments between which it may have been in force. */
  get configurations(): readonly { readonly sections: NodeSections; readonly untilMs: number }[] {
    return this.#configurations;
  }

  /** It says this from now on. While it is spoiled, once it is whole again. */
  configure(sections: NodeSections): void {
    this.#sections = sections;
    if (this.#file.kind === "valid") this.restore();
  }

  /** It is whole. */
  restore(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const one of this.#configurations) one.untilMs = Math.min(one.untilMs, nowMs);
    this.#configurations.push({ sections: this.#sections, untilMs: Number.POSITIVE_INFINITY });
    this.#file = { kind: "valid", sections: this.#sections };
    this.#offer();
  }

  /** It is broken, or gone. */
  spoil(kind: "invalid" | "missing"): void {
    this.#file = { kind };
    this.#offer();
  }

  /** Starts the daemon with it. Rejects as the start does. */
  async begin(daemon: Daemon, served: () => void): Promise<void> {
    const file = this.#file;
    await daemon.start(offerOf(file));
    if (daemon.dead) return;
    served();
    if (this.#file !== file) this.#offer();
  }

  /** The daemon notices as its watch does. */
  #offer(): void {
    const daemon = this.#options.daemon();
    if (daemon === undefined || !daemon.up) return;
    const file = this.#file;
    daemon.manager.offerConfiguration(offerOf(file)).then(
      () => undefined,
      (thrown: unknown) => {
        if (daemon.dead || daemon !== this.#options.daemon()) return;
        this.#options.log(`could not take the file yet: ${String(thrown)}`);
        this.#options.clock.after(OFFER_AGAIN_MS, () => {
          if (this.#file === file) this.#offer();
        });
      },
    );
  }
}

function offerOf(file: File): ConfigurationOffer {
  if (file.kind === "valid") return { kind: "valid", configuration: configurationOf(file.sections) };
  const detail = file.kind === "missing" ? "no such file" : "broken by the world";
  return { kind: file.kind, error: new EnidError("ENID_CONFIG_UNREADABLE", { file: "05-enid.conf", detail }) };
}
