/** The accounts of the simulated cloud: each has a state, token buckets and permissions of its own. */
import { EnidError } from "../../errors.ts";
import { Buckets } from "./buckets.ts";
import { buildState } from "./build.ts";
import type { Caller } from "./credentials.ts";
import { DUMMY_CREDENTIALS } from "./credentials.ts";
import type { AccountDescription, ModelDescription } from "./description.ts";
import type { CloudState, World } from "./state.ts";
import { emptyState } from "./state.ts";

export interface Account {
  readonly state: CloudState;
  readonly buckets: Buckets;
  /** What AWS tools need to call as this account. */
  readonly accessKeyId: string;
  /** Actions that its callers may not do; a `*` at the end stands for any ending. */
  deniedActions: readonly string[];
}

export class Accounts {
  readonly main: Account;
  readonly #byId = new Map<string, Account>();
  readonly #byKey = new Map<string, Account>();
  readonly #callers = new Map<string, Caller>();

  /** Errors: ENID_SIMULATOR_MODEL with the place in the file. */
  constructor(description: ModelDescription, world: Omit<World, "state">, file: string) {
    this.main = this.#add(description.region, description, DUMMY_CREDENTIALS.accessKeyId);
    buildState(description, { ...world, state: this.main.state }, file);
    description.accounts?.forEach((one, index) => {
      const place = `/accounts/${index}`;
      if (this.#byId.has(one.account)) throw problem(file, place, `account ${one.account} is described twice`);
      const account = this.#add(description.region, one, `AKIA${one.account}0000`);
      buildState(one, { ...world, state: account.state }, file, place);
      this.#refuseShared(account, file, place);
    });
  }

  /** Whose key that is; a key that nobody described or gave out belongs to the first account. */
  of(accessKeyId: string): Account {
    const issuedTo = this.#callers.get(accessKeyId)?.account;
    return this.#byKey.get(accessKeyId) ?? this.#byId.get(issuedTo ?? "") ?? this.main;
  }

  /** Errors: RangeError for an account that there is not. */
  named(account: string | undefined): Account {
    const found = account === undefined ? this.main : this.#byId.get(account);
    if (!found) throw new RangeError(`the simulator has no account ${account}`);
    return found;
  }

  /** The account that has the subnet, instance or interface; the first one for an id of nobody. */
  holding(id: string): Account {
    if (this.#byId.size === 1) return this.main;
    for (const account of this.#byId.values()) if (hasId(account.state, id)) return account;
    return this.main;
  }

  all(): readonly Account[] {
    return [...this.#byId.values()];
  }

  #add(region: string, described: AccountDescription, accessKeyId: string): Account {
    const state = emptyState(region, described.account, this.#callers);
    const { deniedActions = [], accessKeyIds = [] } = described;
    const account: Account = { state, buckets: new Buckets(), accessKeyId, deniedActions };
    this.#byId.set(described.account, account);
    for (const key of [accessKeyId, ...accessKeyIds]) this.#byKey.set(key, account);
    return account;
  }

  /** Ids are unique over all accounts, as EC2's are. */
  #refuseShared(account: Account, file: string, place: string): void {
    for (const other of this.all()) {
      if (other === account) continue;
      const ids = mapsOf(account.state).flatMap((map) => [...map.keys()]);
      const shared = ids.find((id) => hasId(other.state, id));
      if (shared !== undefined) throw problem(file, place, `${shared} belongs to account ${other.state.account}`);
    }
  }
}

export function isDenied(deniedActions: readonly string[], action: string): boolean {
  return deniedActions.some((one) => (one.endsWith("*") ? action.startsWith(one.slice(0, -1)) : action === one));
}

function hasId(state: CloudState, id: string): boolean {
  const { instances, interfaces, subnets, securityGroups, vpcs, routeTables } = state;
  if (instances.has(id) || interfaces.has(id) || subnets.has(id)) return true;
  return securityGroups.has(id) || vpcs.has(id) || routeTables.has(id);
}

function mapsOf(state: CloudState): ReadonlyMap<string, unknown>[] {
  return [state.vpcs, state.subnets, state.securityGroups, state.routeTables, state.instances, state.interfaces];
}

function problem(file: string, place: string, detail: string): EnidError {
  return new EnidError("ENID_SIMULATOR_MODEL", { file, detail: `${place}: ${detail}` });
}
