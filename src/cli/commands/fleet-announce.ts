import { hostname } from "node:os";
import { EnidError } from "../../errors.ts";
import type { NodeDocument } from "../../fleet/index.ts";
import { NODE_KINDS, type NodeKind } from "../../manager/ports/index.ts";
import { defineCommand } from "../command.ts";
import { FLEET_FLAGS, withFleet } from "../fleet/session.ts";

export const fleetAnnounce = defineCommand({
  name: "fleet announce",
  description:
    "Says of a node that another IPAM runs on it, so that it can be told apart in the fleet: for a cron or Salt job on nodes\nthat do not run enid yet. The entry is gone after --ttl-seconds, unless it is announced again. Where enid runs and\nspeaks for itself under the same id, nothing is announced.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    ...FLEET_FLAGS,
    kind: {
      type: "string",
      value: "KIND",
      help: "The IPAM of the node.",
      required: true,
      oneOf: NODE_KINDS.filter((kind) => kind !== "enid"),
    },
    "node-name": { type: "string", value: "NAME", help: "The node; the name of this machine when absent." },
    "node-id": {
      type: "string",
      value: "ID",
      help: "What enid would call the node: its instance id on AWS; the name when absent.",
    },
    "ttl-seconds": {
      type: "number",
      value: "SECONDS",
      help: "How long it counts.",
      default: "600",
      range: [10, 86_400],
    },
    "ipam-version": { type: "string", value: "VERSION", help: "Version of the IPAM." },
    "instance-type": { type: "string", value: "TYPE", help: "Type of the instance." },
    region: { type: "string", value: "REGION", help: "Region of the node." },
    zone: { type: "string", value: "ZONE", help: "Availability zone of the node." },
    free: { type: "number", value: "N", help: "Free pod addresses, with --leased.", range: [0, 100_000] },
    leased: { type: "number", value: "N", help: "Pod addresses in use, with --free.", range: [0, 100_000] },
  },
  examples: [
    {
      line: "enid fleet announce --configuration /etc/enid/fleet.conf --kind vpc-cni --node-id i-0123456789abcdef0",
      what: "On a node with the VPC CNI, every five minutes.",
    },
  ],
  async run({ flags, output, clock }) {
    const nodeName = flags["node-name"] ?? hostname();
    const nodeId = flags["node-id"] ?? nodeName;
    const { DOCUMENT_LIMIT_BYTES, NODE_ID } = await import("../../fleet/index.ts");
    if (!NODE_ID.test(nodeId))
      throw usage(`--node-id ${JSON.stringify(nodeId)} is no id; allowed is ${NODE_ID.source}`);
    if ((flags.free === undefined) !== (flags.leased === undefined)) throw usage("--free and --leased go together");
    const document: NodeDocument = {
      schema: 1,
      kind: flags.kind as NodeKind,
      nodeName: text("--node-name", nodeName, 253),
      version: text("--ipam-version", flags["ipam-version"]),
      environment: "",
      handOff: "",
      instanceType: text("--instance-type", flags["instance-type"]),
      region: text("--region", flags.region),
      zone: text("--zone", flags.zone),
      startedAtMs: 0,
      ready: true,
      waitingFor: "",
      capacity: 0,
      ...(flags.free === undefined || flags.leased === undefined
        ? undefined
        : { ipv4: { free: flags.free, leased: flags.leased, cooling: 0, releasing: 0 } }),
      interfaces: 0,
      subnets: [],
      waiting: 0,
      longestWaitMs: 0,
      degraded: [],
      calls: {},
    };
    const json = JSON.stringify(document);
    if (Buffer.byteLength(json) > DOCUMENT_LIMIT_BYTES) throw usage("what is announced is too long");
    const ttlMs = flags["ttl-seconds"] * 1_000;
    const { kept, nodes } = await withFleet(flags, clock, ({ store }) =>
      store.registry.publish({ nodeId, document: json, ttlMs, by: "other" }),
    );
    if (flags.json) output.line(JSON.stringify({ nodeId, announced: kept, nodes, document }));
    else if (kept) output.line(`${nodeId} is announced as ${flags.kind} for ${flags["ttl-seconds"]} s`);
    else output.line(`${nodeId} is not announced: enid runs there and speaks for itself, or the fleet is full`);
    return 0;
  },
});

function text(flag: string, value = "", limitCharacters = 100): string {
  if (value.length <= limitCharacters) return value;
  throw usage(`${flag} has ${value.length} characters; allowed are ${limitCharacters}`);
}

function usage(detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: "fleet announce" });
}
