import type { ManagerOptions, Observation, ObservationSource, Provider } from "../../manager/index.ts";
import { type BlockCounts, Pool } from "../../pool/index.ts";
import type { Weakness } from "./options.ts";

/** What a manager is made with so that it has the weakness; nothing for those that lie elsewhere. */
export function weakenedPool(weakness: Weakness | undefined): Pick<ManagerOptions, "createPool"> {
  switch (weakness) {
    case "no-releasing-mark":
      return { createPool: () => new UnmarkedPool() };
    case "no-cooling":
      return { createPool: () => new HotPool() };
    default:
      return {};
  }
}

/** What is being given back can still be leased; who asks for the mark is told that it is there. */
class UnmarkedPool extends Pool {
  readonly #unmarked = new Set<string>();

  override markReleasing(cidrs: readonly string[]): void {
    for (const cidr of cidrs) this.#unmarked.add(cidr);
  }

  override unmarkReleasing(cidrs: readonly string[]): void {
    for (const cidr of cidrs) this.#unmarked.delete(cidr);
  }

  override block(cidr: string): BlockCounts | undefined {
    const known = super.block(cidr);
    if (known === undefined || !this.#unmarked.has(cidr)) return known;
    return { ...known, free: 0, releasing: known.free };
  }
}

/** An address is free as soon as its lease has ended. */
class HotPool extends Pool {
  override cool(): string[] {
    return super.cool(Number.POSITIVE_INFINITY);
  }

  override nextCoolingEndMs(): number | undefined {
    return super.nextCoolingEndMs() === undefined ? undefined : 0;
  }
}

/** With the weakness `no-confirmation`: each denial of EC2 is heard twice, so that the first one confirms itself. */
export function weakenedProvider(provider: Provider, weakness: Weakness | undefined): Provider {
  return weakness === "no-confirmation" ? echoing(provider) : provider;
}

/** Every second look at EC2 is answered with what the first one saw, as if it were new. */
function echoing(provider: Provider): Provider {
  let before: Observation | undefined;
  return {
    name: provider.name,
    identify: (signal) => provider.identify(signal),
    resolve: (selection, signal, maxAgeMs) => provider.resolve(selection, signal, maxAgeMs),
    observe: async (source: ObservationSource, signal) => {
      if (source !== "cloud") return provider.observe(source, signal);
      const echo = before;
      before = echo === undefined ? await provider.observe(source, signal) : undefined;
      return echo ?? before ?? provider.observe(source, signal);
    },
    execute: (intent, progress, signal) => provider.execute(intent, progress, signal),
    settle: (intent, how, progress, signal) => provider.settle(intent, how, progress, signal),
    leftovers: (clusterName, signal) => provider.leftovers(clusterName, signal),
    calls: (step) => provider.calls(step),
    close: () => provider.close(),
  };
}
