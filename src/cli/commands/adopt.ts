import { createReadStream } from "node:fs";
import net from "node:net";
import { type Clock, sleep } from "../../adapters/index.ts";
import {
  ADOPTION_FILE_LIMIT_BYTES,
  ADOPTION_SOURCES,
  type AdoptionSource,
  type AdoptionText,
} from "../../adoption/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { AdoptedLease, AdoptionReport } from "../../manager/index.ts";
import { type DaemonClient, daemonClient } from "../client.ts";
import { defineCommand, JSON_FLAG, SOCKET_FLAG } from "../command.ts";
import type { DaemonStatus } from "../control-routes.ts";
import { countOf, renderAdoption } from "../render/adoption.ts";

/** aws/amazon-vpc-cni-k8s, pkg/ipamd: defaultBackingStorePath. */
const CHECKPOINT = "/var/run/aws-node/ipam.json";
const CONNECT_LIMIT_MS = 1_000;
const TAKE_OVER_LIMIT_MS = 90_000;
const LOOK_EVERY_MS = 500;

export const adopt = defineCommand({
  name: "adopt",
  description:
    "Takes this node over from the VPC CNI or from Cilium's operator with its pods running: enters the leases that the other\nIPAM's record states, then has the daemon take over its interfaces (setting adopt-interfaces-of) and waits for it.\nRepeating it changes nothing. Exit code 1 when a lease was refused. docs/adoption.md has the migration step by step.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    from: {
      type: "string",
      value: "IPAM",
      help: "Who gave out the addresses.",
      oneOf: ADOPTION_SOURCES,
      required: true,
    },
    file: {
      type: "string",
      value: "FILE",
      help: `Its record: for vpc-cni the checkpoint (without the flag ${CHECKPOINT}), for cilium the CiliumNode as JSON.`,
    },
    network: {
      type: "string",
      value: "NAME",
      help: "Name of enid's network configuration; without the flag that of the file which the daemon reads.",
    },
    ipamd: {
      type: "string",
      value: "ADDRESS",
      help: "Where the VPC CNI's daemon listens while it runs, so that it is not adopted from alive; off: do not look.",
      default: "127.0.0.1:50051",
    },
    "dry-run": { type: "boolean", help: "Show what would be taken over; changes nothing." },
    json: JSON_FLAG,
    socket: SOCKET_FLAG,
  },
  examples: [
    { line: "enid adopt --from vpc-cni --dry-run", what: "What would be taken over from the VPC CNI?" },
    { line: "enid adopt --from vpc-cni", what: "Take it over; aws-node must not run on this node any more." },
    { line: "enid adopt --from cilium --file node.json", what: "From kubectl get ciliumnode NAME -o json > node.json" },
  ],
  async run({ flags, output, clock }) {
    const from = flags.from as AdoptionSource;
    const dryRun = flags["dry-run"];
    const file = flags.file ?? (from === "vpc-cni" ? CHECKPOINT : undefined);
    if (file === undefined) throw usage("--file FILE is missing: the CiliumNode as JSON");
    const text = await readRecord(file);
    if (from === "vpc-cni" && !dryRun) await refuseLiving(flags.ipamd, clock);
    const client = daemonClient(flags.socket, clock);
    const network = flags.network ?? (await networkOf(client));
    const ask = (asked: boolean) =>
      client.request<AdoptionReport>("PUT", "/v1/adoption", { from, file, text, network, dryRun: asked });
    const report = dryRun ? await ask(true) : await takeOver(client, ask, { from, file, text, network }, clock);
    output.line(flags.json ? JSON.stringify(report) : renderAdoption(report, output.style).join("\n"));
    return countOf(report, "refused") === 0 ? 0 : 1;
  },
});

/**
 * The leases first: they are durable before an address beside them becomes anybody's. Then the interfaces. Then once more
 * the leases, of which some may have been refused only because EC2 had not been asked yet.
 */
async function takeOver(
  client: DaemonClient,
  ask: (dryRun: boolean) => Promise<AdoptionReport>,
  { from }: AdoptionText,
  clock: Clock,
): Promise<AdoptionReport> {
  const startedMs = clock.monotonicMs();
  const first = await onceItCanBeTold(() => ask(false), startedMs, clock);
  if (pending(first).length > 0 && !first.adopting.includes(from)) {
    const assignment = `adopt-interfaces-of=${[...first.adopting, from].join(",")}`;
    await client.request("PUT", "/v1/overrides", { assignment });
  }
  for (let open = pending(first); open.length > 0; open = pending(await ask(true))) {
    const waitedMs = clock.monotonicMs() - startedMs;
    if (waitedMs > TAKE_OVER_LIMIT_MS) {
      const values = { waitedS: Math.round(waitedMs / 1_000), interfaces: open.join(", ") };
      throw new EnidError("ENID_ADOPTION_LATE", { ...values, reason: await whyLate(client) });
    }
    await sleep(clock, LOOK_EVERY_MS);
  }
  const last = await onceItCanBeTold(() => ask(false), startedMs, clock);
  const before = new Map(first.leases.map((lease) => [lease.address, lease]));
  return { ...last, leases: last.leases.map((lease) => sinceTheStart(lease, before.get(lease.address))) };
}

/** The daemon may have to ask EC2 first. */
async function onceItCanBeTold(
  ask: () => Promise<AdoptionReport>,
  startedMs: number,
  clock: Clock,
): Promise<AdoptionReport> {
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      const { code } = coerceError(thrown);
      const isOver = clock.monotonicMs() - startedMs > TAKE_OVER_LIMIT_MS;
      if (code !== "ENID_ADOPTION_EARLY" || isOver) throw thrown;
    }
    await sleep(clock, LOOK_EVERY_MS);
  }
}

/** What the first round took is known to the last one; the command took it all the same. */
function sinceTheStart(lease: AdoptedLease, first: AdoptedLease | undefined): AdoptedLease {
  return lease.outcome === "known" && first?.outcome === "taken" ? { ...lease, outcome: "taken" } : lease;
}

function pending({ interfaces }: AdoptionReport): string[] {
  return interfaces.filter(({ outcome }) => outcome === "taken-over").map(({ id }) => id);
}

async function whyLate(client: DaemonClient): Promise<string> {
  const { degraded } = await client.request<DaemonStatus>("GET", "/v1/status");
  const reasons = degraded.map(({ error }) => error.message);
  return reasons.length === 0 ? "EC2 has not been asked for them since" : reasons.join("; ");
}

/** The name that the runtime's later calls come with. */
async function networkOf(client: DaemonClient): Promise<string> {
  const { configuration } = await client.request<DaemonStatus>("GET", "/v1/status");
  if (configuration.file === "") throw usage("--network NAME is missing: the daemon reads no configuration file");
  const { readConfigurationFile } = await import("../../configuration/index.ts");
  const { network } = await readConfigurationFile(configuration.file);
  if (network === "") throw usage(`--network NAME is missing: ${configuration.file} does not name its network`);
  return network;
}

/** @throws EnidError ENID_ADOPTION_FILE_UNREADABLE. */
async function readRecord(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    // One byte more than is read of it: then the daemon says that it is too large.
    for await (const chunk of createReadStream(file, { end: ADOPTION_FILE_LIMIT_BYTES })) chunks.push(chunk as Buffer);
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new EnidError("ENID_ADOPTION_FILE_UNREADABLE", { file, detail: coerceError(cause).message }, { cause });
  }
}

/** @throws EnidError ENID_ADOPTION_OTHER_RUNS when somebody listens where the VPC CNI's daemon does. */
async function refuseLiving(address: string, clock: Clock): Promise<void> {
  if (address === "off") return;
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || Number(port) > 65_535)
    throw usage(`--ipamd ${JSON.stringify(address)} is not HOST:PORT or off`);
  const answers = await new Promise<boolean>((resolve) => {
    const socket = net.connect({ host, port: Number(port) });
    const cancel = clock.after(CONNECT_LIMIT_MS, () => end(false));
    const end = (answered: boolean) => {
      cancel();
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
  if (answers) throw new EnidError("ENID_ADOPTION_OTHER_RUNS", { ipam: "the VPC CNI", address });
}

function usage(detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: "adopt" });
}
