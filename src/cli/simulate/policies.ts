import type { Policy } from "../../simulator/scenario/index.ts";
import { listOf, usage } from "./usage.ts";

/** enid first, then its peers. */
async function allPolicies(): Promise<readonly Policy[]> {
  const [{ enidFleetPolicy, enidPolicy }, { POLICIES }] = await Promise.all([
    import("../../simulator/world/index.ts"),
    import("../../simulator/policies/index.ts"),
  ]);
  return [enidPolicy, enidFleetPolicy, ...POLICIES];
}

/** @throws EnidError ENID_USAGE that lists the policies. */
export async function policyNamed(name: string): Promise<Policy> {
  const policies = await allPolicies();
  const policy = policies.find((one) => one.name === name);
  if (policy === undefined) throw usage(`--policy has no ${JSON.stringify(name)}; there are ${namesOf(policies)}`);
  return policy;
}

/** "all", or names with commas between them; each once. */
export async function policyNames(text: string): Promise<readonly string[]> {
  const known = (await allPolicies()).map(({ name }) => name);
  return text === "all" ? known : listOf("policy", text, known);
}

function namesOf(policies: readonly Policy[]): string {
  return policies.map(({ name }) => name).join(", ");
}
