import type { Dice } from "../../engine/index.ts";
import { SimulatedError } from "../../index.ts";
import { POD_SUBNETS } from "../draw/place.ts";
import type { Machine } from "../machine.ts";
import { type FaultHands, type FaultMaker, MINUTE_MS, machineOf } from "./maker.ts";

/** The views of the cloud lag, and differ. */
export const staleDescribe: FaultMaker = (dice) => {
  const maxMs = dice.pick([10_000, 30_000, 60_000, 85_000]);
  const describeReplicas = dice.pick([1, 2, 4]);
  return {
    text: `describes are up to ${maxMs / 1_000} s late, in ${describeReplicas} views`,
    forMs: dice.between(3, 30) * MINUTE_MS,
    begin: (hands) => hands.overlay({ describeLagMs: { minMs: 0, maxMs }, describeReplicas }),
  };
};

export const staleMetadata: FaultMaker = (dice, { nodes }) => {
  if (dice.chance(0.5)) {
    const maxMs = dice.pick([60_000, 180_000]);
    return {
      text: `metadata is up to ${maxMs / 1_000} s late`,
      forMs: dice.between(3, 30) * MINUTE_MS,
      begin: (hands) => hands.overlay({ metadataLagMs: { minMs: 1_000, maxMs } }),
    };
  }
  const machine = dice.between(0, nodes - 1);
  return viewed(dice, machine, "metadata shows an old picture", () => ({ frozen: true }));
};

export const metadataPartial: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const what = dice.pick(["partial", "bare", "missing"] as const);
  return viewed(dice, machine, `metadata is ${what} for an interface`, (hands) => {
    const ids = attached(hands, machineOf(hands, machine)).map(({ id }) => id);
    if (ids.length === 0) return {};
    return { [what]: what === "partial" && dice.chance(0.5) ? ["*"] : [dice.pick(ids)] };
  });
};

function viewed(dice: Dice, machine: number, text: string, patchOf: (hands: FaultHands) => object) {
  return {
    text,
    forMs: dice.between(1, 20) * MINUTE_MS,
    machine,
    begin: (hands: FaultHands) => {
      const target = machineOf(hands, machine);
      if (!target.on) return undefined;
      const { instanceId } = target;
      hands.cloud.changeMetadataView(instanceId, patchOf(hands));
      return () => {
        if (!hands.cloud.instanceIds().includes(instanceId)) return;
        hands.cloud.changeMetadataView(instanceId, { frozen: false, missing: [], bare: [], partial: [] });
      };
    },
  };
}

export const metadataAway: FaultMaker = (dice) => {
  const metadataOutage = dice.pick(["error", "hang", "reset"] as const);
  return {
    text: `metadata is away (${metadataOutage})`,
    forMs: dice.between(1, 20) * MINUTE_MS,
    begin: (hands) => hands.overlay({ metadataOutage }),
  };
};

/** Others take what is free, all or nearly all of it, in one or both of the pod subnets. */
export const subnetEmpty: FaultMaker = (dice) => {
  const subnets = dice.chance(0.4) ? [...POD_SUBNETS] : [dice.pick(POD_SUBNETS)];
  const left = dice.pick([0, 0, 2, 9]);
  return {
    text: `${subnets.length === 2 ? "both pod subnets" : "a pod subnet"}: ${left} addresses are left`,
    forMs: dice.between(3, 35) * MINUTE_MS,
    begin: ({ cloud }) => {
      for (const id of subnets) {
        const free = cloud.freeAddressesOf(id);
        if (free > left) cloud.occupy(id, free - left);
      }
      return () => {
        for (const id of subnets) cloud.vacate(id);
      };
    },
  };
};

export const subnetFragmented: FaultMaker = (dice) => {
  const subnets = dice.chance(0.5) ? [...POD_SUBNETS] : [dice.pick(POD_SUBNETS)];
  return {
    text: `${subnets.length === 2 ? "both pod subnets have" : "a pod subnet has"} no contiguous /28`,
    forMs: dice.between(3, 35) * MINUTE_MS,
    begin: ({ cloud }) => {
      for (const id of subnets) cloud.fragment(id);
      return () => {
        for (const id of subnets) cloud.defragment(id);
      };
    },
  };
};

export const attachStuck: FaultMaker = (dice) => ({
  text: "attachments stay attaching",
  forMs: dice.between(1, 20) * MINUTE_MS,
  begin: (hands) => hands.overlay({ attachStuck: true }),
});

export const detachStuck: FaultMaker = (dice) => ({
  text: "attachments stay detaching",
  forMs: dice.between(1, 20) * MINUTE_MS,
  begin: (hands) => hands.overlay({ detachStuck: true }),
});

/** Somebody with the console changes what the node holds, at one moment. */
export const foreignHand: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const deed = dice.pick(["takes an address away", "adds an address", "detaches an interface", "deletes an interface"]);
  return {
    text: `somebody ${deed}`,
    forMs: 0,
    machine,
    begin: (hands) => {
      const target = machineOf(hands, machine);
      if (target.on) meddle(hands, target, deed, dice);
      return undefined;
    },
  };
};

function meddle(hands: FaultHands, machine: Machine, deed: string, dice: Dice): void {
  const { cloud } = hands;
  const held = attached(hands, machine);
  const further = held.filter(({ attachment }) => (attachment?.deviceIndex ?? 0) > 0);
  const one = dice.pick(held);
  try {
    if (deed === "adds an address") {
      const parameters = { NetworkInterfaceId: one.id, SecondaryPrivateIpAddressCount: "1" };
      cloud.foreignCall("AssignPrivateIpAddresses", parameters);
      // enid takes it over when it looks at EC2 next, which may be more than an hour away.
      const before = new Set(one.secondaryAddresses);
      hands.taint(cloud.interface(one.id)?.secondaryAddresses.filter((address) => !before.has(address)) ?? []);
    } else if (deed === "takes an address away") {
      if (one.secondaryAddresses.length === 0) return;
      const address = dice.pick(one.secondaryAddresses);
      hands.taint([address]);
      cloud.foreignCall("UnassignPrivateIpAddresses", { NetworkInterfaceId: one.id, PrivateIpAddress: [address] });
    } else if (further.length > 0) {
      const gone = dice.pick(further);
      hands.taint([gone.id, gone.primaryAddress, ...gone.secondaryAddresses, ...gone.prefixes, ...gone.ipv6Prefixes]);
      if (deed === "deletes an interface") cloud.erase(gone.id);
      else cloud.foreignCall("DetachNetworkInterface", { AttachmentId: gone.attachment?.id ?? "" });
    }
  } catch (thrown) {
    // What EC2 refuses a person at the console (an attachment on its way) simply does not happen.
    if (!(thrown instanceof SimulatedError)) throw thrown;
  }
}

function attached({ cloud }: FaultHands, { instanceId }: Machine) {
  return cloud.interfacesOf(instanceId);
}
