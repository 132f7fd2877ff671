import type { Clock } from "../../../src/adapters/index.ts";
import { type FleetStore, MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import type { PartOptions } from "../../../src/fleet/node/parts.ts";
import type { EnidEvent } from "../../../src/manager/ports/index.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";

/** One node of a fleet over the in-memory twin, for tests of its parts. */
export interface TestNode {
  readonly name: string;
  readonly parts: PartOptions;
  readonly events: EnidEvent[];
  /** Steps that it asked the store for. */
  steps(): number;
}

export interface TestFleet {
  readonly clock: VirtualClock;
  readonly server: MemoryServer;
  /** `clock`: its own; absent = the true one. `accountId` empty = it does not know. */
  node(name: string, more?: { clock?: Clock; accountId?: string; isKnown?: boolean }): TestNode;
}

export function testFleet(latencyMs: () => number = () => 2, serverClock?: (clock: VirtualClock) => Clock): TestFleet {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock: serverClock?.(clock) ?? clock, latencyMs });
  let seed = 0;
  return {
    clock,
    server,
    node(name, { clock: own = clock, accountId = "123456789012", isKnown = true } = {}) {
      const events: EnidEvent[] = [];
      const counted = counting(memoryFleetStore(server, name, own, { flight: clock }));
      const member = { nodeId: name, nodeName: name, accountId, region: "eu-central-1", zone: "eu-central-1a" };
      return {
        name,
        events,
        steps: counted.steps,
        parts: {
          store: counted.store,
          clock: own,
          random: seededRandom(++seed),
          telemetry: { event: (event) => events.push(event) },
          member: () => (isKnown ? member : undefined),
          urgency: () => "buffer",
          settings: { name: "test", reservedShare: 0.2, buckets: {} },
        },
      };
    },
  };
}

/** Counts the steps of facts and tasks. */
function counting(store: FleetStore): { store: FleetStore; steps: () => number } {
  let steps = 0;
  const counted = <Step extends object>(part: Step): Step =>
    new Proxy(part, {
      get(target, key) {
        const step = Reflect.get(target, key) as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => {
          steps++;
          return step.apply(target, args);
        };
      },
    });
  return {
    store: { ...store, facts: counted(store.facts), singletons: counted(store.singletons) },
    steps: () => steps,
  };
}
