import {
  type Configuration,
  checkSettings,
  type Environment,
  effectiveSettings,
  environmentOf,
  type Settings,
} from "../configuration/index.ts";
import { NODE_INTERFACE, type StoredState } from "./ports/index.ts";
import { type ConfigurationOffer, readStored } from "./settings-keeper.ts";

/**
 * Where the addresses of a node come from that starts now: from where its pods have theirs, if there are any; otherwise as
 * the settings say that will be in force. A daemon that has begun in one environment stays in it: pods could not be
 * brought over, and a daemon that refused to start would leave them without a DEL.
 */
export function environmentAtStart(state: StoredState, offer: ConfigurationOffer, bootId: string): Environment {
  if (state.bootId === bootId && state.leases.length > 0) return environmentOfState(state);
  const chosen = settingsAtStart(state, offer);
  return chosen === undefined ? "aws" : environmentOf(chosen);
}

/** The settings that will be in force when the daemon starts; undefined when none are usable, and it will refuse to. */
export function settingsAtStart(state: StoredState, offer: ConfigurationOffer): Settings | undefined {
  const stored = readStored(state);
  const candidates: readonly (Configuration | undefined)[] = [
    ...(offer.kind === "valid" ? [offer.configuration] : []),
    // Undefined: without any file there are defaults and overrides.
    ...(stored instanceof Error ? [] : [stored]),
  ];
  const settings = candidates.flatMap((configuration) => [
    effectiveSettings(configuration, state.overrides, state.profiles),
    // Profiles that go with nothing any more are left out (settings-keeper.ts); they never say where addresses come from.
    effectiveSettings(configuration, state.overrides),
  ]);
  return settings.find((one) => checkSettings(one).length === 0);
}

/** The state as far as it is of this environment: what the other one had is not the node's here. Settings stay. */
export function stateFor(environment: Environment, state: StoredState): StoredState {
  const isEmpty = state.interfaces.length + state.blocks.length + state.intents.length + state.leases.length === 0;
  if (isEmpty || environmentOfState(state) === environment) return state;
  return { ...state, leases: [], cooling: [], interfaces: [], blocks: [], intents: [], fixed: [] };
}

/**
 * Whether a state with ranges was written in this boot: then it is this machine's, for no other one has the same boot id. The
 * id of a machine may be another one than before all the same, in a container above all, and its pods have their leases.
 */
export function isOfThisBoot({ bootId, blocks }: StoredState, now: string): boolean {
  return bootId === now && blocks.some(({ kind }) => kind === "node-cidr");
}

function environmentOfState({ interfaces, blocks }: StoredState): Environment {
  const isOwn = interfaces.some(({ id }) => id === NODE_INTERFACE) || blocks.some(({ kind }) => kind === "node-cidr");
  return isOwn ? "node-cidr" : "aws";
}
