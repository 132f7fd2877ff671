import { type Route, type Rule, SCOPE_LINK } from "./actual.ts";
import type { Change } from "./difference.ts";

/** The lines of a batch of `ip` that make a change; each can be refused without the others. */
export function linesOf(change: Change): readonly string[] {
  switch (change.do) {
    case "set-link":
      return [
        ...(change.mtuBytes === undefined ? [] : [`link set dev ${change.device} mtu ${change.mtuBytes}`]),
        `link set dev ${change.device} up`,
      ];
    case "add-address": {
      const { device, address, prefixLength } = change.address;
      return [`address add ${address}/${prefixLength} dev ${device} noprefixroute`];
    }
    case "remove-address": {
      const { device, address, prefixLength } = change.address;
      return [`address del ${address}/${prefixLength} dev ${device}`];
    }
    case "add-route":
      return [`route add ${routeWords(change.route)}`];
    case "remove-route":
      return [`route del ${routeWords(change.route)}`];
    case "add-rule":
      return [`rule add ${ruleWords(change.rule)}`];
    case "remove-rule":
      return [`rule del ${ruleWords(change.rule)}`];
    default:
      return [];
  }
}

function routeWords({ destination, gateway, device, table, protocol, scope, metric }: Route): string {
  return [
    destination,
    ...(gateway === "" ? [] : ["via", gateway]),
    "dev",
    device,
    "table",
    table,
    "proto",
    protocol,
    ...(scope === SCOPE_LINK ? ["scope", "link"] : []),
    ...(metric === 0 ? [] : ["metric", metric]),
  ].join(" ");
}

function ruleWords({ priority, from, to, mark, table, protocol }: Rule): string {
  return [
    "pref",
    priority,
    ...(from === "" ? [] : ["from", from]),
    ...(to === "" ? [] : ["to", to]),
    ...(mark === "" ? [] : ["fwmark", mark]),
    "lookup",
    table,
    "protocol",
    protocol,
  ].join(" ");
}
