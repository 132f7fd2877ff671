import type {
  FixedRecords,
  Fleet,
  FleetMember,
  FleetProfiles,
  FleetReport,
  SharedBudget,
  SharedFacts,
  Singletons,
  Urgency,
} from "../../manager/ports/index.ts";
import { NodeBudget } from "./budget.ts";
import { NodeFacts } from "./facts.ts";
import { NodeFixed } from "./fixed.ts";
import type { PartOptions } from "./parts.ts";
import { NodeRegistry } from "./registry.ts";
import { NodeSingletons } from "./singletons.ts";

export type { FleetSettings } from "./parts.ts";

export interface FleetNodeOptions extends Omit<PartOptions, "member" | "urgency"> {
  /** Servers as the settings name them, without secrets. */
  readonly servers: readonly string[];
  /** Name of the machine, by which people know it. */
  readonly nodeName: string;
}

interface Place {
  readonly instanceId: string;
  readonly accountId: string;
  readonly region: string;
  readonly zone: string;
}

/** One node's part of the fleet, over whichever store. */
export class FleetNode implements Fleet {
  readonly budget: SharedBudget;
  readonly facts: SharedFacts;
  readonly singletons: Singletons;
  readonly fixed: FixedRecords;
  readonly profiles: FleetProfiles;
  readonly registry: NodeRegistry;
  readonly #options: FleetNodeOptions;
  readonly #budget: NodeBudget;
  readonly #facts: NodeFacts;
  readonly #singletons: NodeSingletons;
  #member: FleetMember | undefined;
  #urgency: Urgency = "buffer";
  #servers: readonly string[];

  constructor(options: FleetNodeOptions) {
    this.#options = options;
    this.#servers = options.servers;
    const parts: PartOptions = { ...options, member: () => this.#member, urgency: () => this.#urgency };
    this.#budget = new NodeBudget({ ...parts, nodes: () => this.registry.nodes });
    this.budget = this.#budget;
    this.#facts = new NodeFacts(parts);
    this.facts = this.#facts;
    this.#singletons = new NodeSingletons(parts);
    this.singletons = this.#singletons;
    this.fixed = new NodeFixed(parts, this.#singletons);
    this.registry = new NodeRegistry(parts);
    this.profiles = this.registry.profiles;
  }

  urgency(urgency: Urgency): void {
    if (this.#urgency === urgency) return;
    this.#urgency = urgency;
    this.#budget.urgencyChanged();
  }

  /** Where the instance is, known before all else: the provider's calls can be asked for from then on. */
  located({ instanceId: nodeId, ...place }: Place): void {
    const { nodeName } = this.#options;
    if (this.#member === undefined) this.identified({ nodeId, nodeName, ...place });
  }

  identified(member: FleetMember): void {
    this.#member = member;
  }

  report(): FleetReport {
    const { store, settings } = this.#options;
    return {
      name: settings.name,
      servers: this.#servers,
      ...store.condition(),
      nodes: this.registry.nodes,
      singletons: this.#singletons.report(),
      facts: this.#facts.report(),
    };
  }

  /** The settings name other ones now. */
  serversChanged(servers: readonly string[]): void {
    this.#servers = servers;
    this.registry.profiles.forget();
  }

  watch(changed: () => void): () => void {
    return this.#options.store.watch(changed);
  }

  async stop(): Promise<void> {
    await this.registry.stop();
    this.#budget.stop();
    await this.#singletons.stop();
    await this.#options.store.close();
  }
}
