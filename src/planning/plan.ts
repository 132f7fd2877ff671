import { type Demand, measureDemand } from "./demand.ts";
import { explain } from "./explain.ts";
import { planGiven } from "./given.ts";
import { type GivingBack, giveBack, NOTHING_BACK } from "./giving-back.ts";
import { type Growth, grow, NO_GROWTH } from "./growth.ts";
import { ipv6Need } from "./ipv6.ts";
import { makePlace } from "./recovery.ts";
import { Room } from "./room.ts";
import { followSecurityGroups } from "./security-groups.ts";
import { findIpv6Shortfall, findShortfall } from "./shortfall.ts";
import { isHeldBack } from "./stock.ts";
import type { Plan, PlanInput } from "./types.ts";

/**
 * What to do next so that the node holds what its watermarks and waiting pods ask for, and not much more. A function of
 * its input: the same input gives the same plan, and a plan whose steps are under way (pending, busy) or done is
 * followed by an empty one. Two are followed by one more: single addresses that made place for prefixes, and what was
 * left to an interface being made.
 *
 * Interfaces that exist are filled before one is created, card by card, the fullest first, each by one call for all it
 * can take. No step is made for max-above-watermark alone: it is what is taken in calls that are made anyway. A plan
 * that grows gives nothing back. Several steps may name different interfaces of one subnet; two may name one interface
 * when they bring blocks of different units; a step may name an interface that has another step under way.
 *
 * Where all addresses are given (`given`) there are no steps at all.
 */
export function plan(input: PlanInput): Plan {
  if (input.given !== undefined) return planGiven(input, input.given);
  const demand = measureDemand(input);
  const room = new Room(input, demand);
  const wanted = Math.min(demand.required + demand.above, demand.ceiling, room.freeAddresses);
  const ipv6 = ipv6Need(input, room);
  const isBlocked = isHeldBack(input.blocked?.untilMs, input.nowMs);
  const growth = isBlocked ? NO_GROWTH : grow(demand, wanted, room, ipv6);
  const back = isBlocked ? NOTHING_BACK : whatGoes(input, demand, room, growth);
  const moves = [...growth.steps, ...back.steps];
  const steps = isBlocked ? [] : [...moves, ...followSecurityGroups(input, moves)];

  const { planned, deferred } = growth;
  const shortfall = findShortfall(input, demand, room, planned + deferred);
  const ipv6Shortfall = findIpv6Shortfall(input, ipv6, room, growth.ipv6Missing);
  // A pod that lacks its IPv6 address lacks everything, whatever IPv4 has.
  const reason = ipv6Shortfall ?? shortfall;
  return {
    steps,
    needed: demand.needed,
    surge: demand.surge,
    wanted,
    planned,
    ...(back.givenBack > 0 ? { givenBack: back.givenBack } : {}),
    ...(deferred > 0 ? { deferred } : {}),
    ...(reason === undefined ? {} : { shortfall: reason }),
    explanation: explain(input, demand, { wanted, growth, back, steps, ipv6, shortfall, ipv6Shortfall }),
  };
}

function whatGoes(input: PlanInput, demand: Demand, room: Room, { planned, deferred, recovers }: Growth): GivingBack {
  if (planned > 0 || deferred > 0 || recovers) return NOTHING_BACK;
  const back = giveBack(input, demand, room);
  if (back.steps.length > 0) return back;
  const place = makePlace(input, demand, room);
  return place === undefined ? back : { ...back, steps: [place], givenBack: place.cidrs.length };
}
