import type { EnidError } from "../../errors.ts";
import type { ReachAddress, ReachPicture } from "../../manager/ports/index.ts";
import { routeKey, ruleKey } from "./actual.ts";
import { familyOf } from "./cidr.ts";
import { rulesOfAddress } from "./desired.ts";
import { hostRoutesError } from "./errors.ts";
import type { Round } from "./mender.ts";

/** Why an address is not reachable; `final` = waiting does not help. */
export interface Verdict {
  readonly error: EnidError;
  readonly final: boolean;
}

/** PURE. Undefined when all of the addresses are reachable. `there`: keys of the rules and routes that are in place. */
export function verdictOf(
  addresses: readonly ReachAddress[],
  picture: ReachPicture,
  round: Round,
  there: ReadonlySet<string>,
): Verdict | undefined {
  for (const address of addresses) {
    const verdict = verdictOfOne(address, picture, round, there);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function verdictOfOne(
  { address, interfaceId }: ReachAddress,
  { interfaces }: ReachPicture,
  { desired, conflicts, refused }: Round,
  there: ReadonlySet<string>,
): Verdict | undefined {
  const say = (detail: string, final: boolean) => ({ error: hostRoutesError(address, detail), final });
  const record = interfaces.find(({ id }) => id === interfaceId);
  if (record === undefined) return say(`its interface ${interfaceId || "(unknown)"} is not one of the node's`, true);
  if (record.mac === "") return undefined;
  const device = desired.devices.find((each) => each.interfaceId === interfaceId);
  if (device === undefined) return say(`${interfaceId} carries no pods`, true);
  if (device.problem !== "") return say(`${interfaceId}: ${device.problem}`, !device.missing);
  const rules = rulesOfAddress(address, device.table);
  const routes = desired.routes.filter(({ table, family }) => table === device.table && family === familyOf(address));
  if ([...rules.map(ruleKey), ...routes.map(routeKey)].every((key) => there.has(key))) return undefined;
  const conflict = conflicts.get(device.device);
  if (conflict !== undefined) return say(conflict, true);
  const why = refused.find(
    ({ change }) => change.do === "add-rule" || change.do === "add-route" || change.do === "set-link",
  );
  return say(why?.refused ?? "they could not be set", true);
}
