import type { Dice } from "../../engine/index.ts";
import type { NodeSections } from "../../scenario/index.ts";
import { POD_GROUP, POD_SUBNETS, POD_TAGS } from "./place.ts";

/** The configuration of a fleet, drawn: sections `eni` and `ipam` of the file. */
export function drawSections(dice: Dice, hasIpv6: boolean): NodeSections {
  const families = hasIpv6 ? dice.pick(["ipv4", "dual", "dual", "ipv6"]) : "ipv4";
  const maxAbove = dice.pick([0, 0, 2, 6]);
  return {
    eni: {
      ...drawSelection(dice),
      ...(dice.chance(0.6) ? { "cluster-name": "prod" } : {}),
      "prefix-delegation": dice.pick(["off", "off", "preferred", "required"]),
      "first-interface-index": dice.pick([0, 0, 1]),
      "interface-idle-seconds": dice.pick([0, 60, 300]),
      "start-jitter-seconds": dice.pick([0, 5]),
      ...(dice.chance(0.15) ? { "use-primary-address": true } : {}),
    },
    ipam: {
      "min-allocate": dice.pick([0, 0, 4, 10]),
      "pre-allocate": dice.pick([1, 2, 8]),
      ...(maxAbove > 0 ? { "max-above-watermark": maxAbove } : {}),
      "cooling-seconds": dice.pick([10, 30, 60]),
      "add-wait-seconds": dice.pick([5, 20]),
      "release-excess": dice.chance(0.9),
      "release-delay-seconds": dice.pick([20, 60, 180]),
      ...(families === "ipv4" ? {} : { "ip-families": families }),
    },
  };
}

/** Which subnets and groups may be used: always some of the two pod subnets, so that never none matches. */
function drawSelection(dice: Dice): Record<string, unknown> {
  const subnets = dice.pick<Record<string, unknown>>([
    { "subnet-tags": POD_TAGS },
    { "subnet-tags": POD_TAGS },
    { "subnet-ids": [POD_SUBNETS[0]] },
    { "subnet-ids": [...POD_SUBNETS] },
  ]);
  const groups = dice.pick<Record<string, unknown>>([
    {},
    { "security-groups": [POD_GROUP] },
    { "security-group-tags": POD_TAGS },
  ]);
  return { ...subnets, ...groups };
}

/** The same configuration with something else in one or two places, as an operator changes it. */
export function changeSections(dice: Dice, sections: NodeSections, hasIpv6: boolean): NodeSections {
  const { eni, ipam } = sections;
  const fresh = drawSections(dice, hasIpv6);
  // Families stay: pods that run keep what they have, and what a changed node may hold is another question.
  const { "ip-families": _, ...freshIpam } = fresh.ipam;
  const names = Object.keys(freshIpam);
  const chosen = [dice.pick(names), dice.pick(names)];
  const changed = Object.fromEntries(chosen.map((name) => [name, freshIpam[name]]));
  // A fleet's nodes keep the subnet that all of them share.
  if (dice.chance(0.5) || sections.fleet !== undefined) return { ...sections, ipam: { ...ipam, ...changed } };
  const { "subnet-tags": __, "subnet-ids": ___, "security-groups": ____, "security-group-tags": _____, ...rest } = eni;
  const selection = drawSelection(dice);
  const delegation = dice.chance(0.3) ? { "prefix-delegation": fresh.eni["prefix-delegation"] } : {};
  return { ...sections, eni: { ...rest, ...selection, ...delegation }, ipam: { ...ipam, ...changed } };
}
