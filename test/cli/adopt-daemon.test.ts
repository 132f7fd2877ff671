import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { callDaemon } from "../../scripts/lab/plugin.ts";
import { systemClock, systemRandom } from "../../src/adapters/index.ts";
import { daemonClient } from "../../src/cli/client.ts";
import type { DaemonStatus } from "../../src/cli/control-routes.ts";
import { startDaemon } from "../../src/cli/daemon.ts";
import type { AdoptionReport } from "../../src/manager/index.ts";
import type { Lease } from "../../src/pool/index.ts";
import { createAwsProvider } from "../../src/providers/aws/index.ts";
import { loadModel, startSimulator } from "../../src/simulator/index.ts";
import { createLogger, createTelemetry } from "../../src/telemetry/index.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid, ROOT } from "./run-enid.ts";

const INSTANCE = "i-0a000000000000001";
const OTHERS = "eni-0b000000000000001";
/** What the other IPAM has put on its interface; pods have the first four. */
const ADDRESSES = [20, 21, 22, 23, 24, 25].map((last) => `100.64.0.${last}`);
const PODS = ADDRESSES.slice(0, 4);
const LONG = { timeout: 40_000, interval: 20 };

const VPC_CNI_TAGS = {
  "node.k8s.amazonaws.com/instance_id": INSTANCE,
  "node.k8s.amazonaws.com/createdAt": "2026-07-01T12:00:00Z",
};
const CILIUM_TAGS = { "io.cilium/cilium-managed": "true", "io.cilium/cluster-name": "shop" };

/** A node on which another IPAM has an interface with pods, and enid's daemon over it. */
async function lab(tags: Record<string, string>, furtherInterfaces: readonly object[] = []) {
  const folder = await temporaryFolder();
  const model = path.join(ROOT, "src/simulator/examples/two-pod-subnets.json");
  const text = JSON.parse(await readFile(model, "utf8"));
  text.interfaces = [
    {
      id: OTHERS,
      subnet: "subnet-0a000000000000002",
      primaryAddress: "100.64.0.10",
      secondaryAddresses: ADDRESSES,
      tags,
      attachment: { instance: INSTANCE, deviceIndex: 1 },
    },
    ...furtherInterfaces,
  ];
  const simulator = await startSimulator({ description: loadModel(text, model), speed: 100 });
  onTestFinished(() => simulator.close());
  const configurationFile = path.join(folder, "enid.conf");
  const configuration = JSON.stringify({
    cniVersion: "1.0.0",
    name: "pods",
    type: "cilium-cni",
    eni: { "subnet-tags": { "enid.io/pods": "true" } },
    ipam: { type: "enid-ipam", "min-allocate": 3, "pre-allocate": 2, "cooling-seconds": 1 },
  });
  await writeFile(configurationFile, configuration);
  const socket = path.join(folder, "run/enid.sock");
  const client = daemonClient(socket, systemClock);

  /** Starts the daemon and waits until it serves pods, or is in another phase. */
  const start = async (phase: DaemonStatus["phase"] = "ready") => {
    const logger = createLogger({ clock: systemClock, level: "error", stream: { write: () => {} } });
    const telemetry = createTelemetry({ clock: systemClock, logger, version: "test" });
    const environment = simulator.environment(INSTANCE);
    const daemon = await startDaemon({
      configurationFile,
      stateDir: path.join(folder, "state"),
      socket,
      listen: undefined,
      bootId: "boot-1",
      createProvider: () => createAwsProvider({ clock: systemClock, random: systemRandom, telemetry, environment }),
      telemetry,
      clock: systemClock,
      random: systemRandom,
    });
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= daemon.stop(1_000);
      return stopping;
    };
    onTestFinished(stop);
    await expect.poll(async () => (await status()).phase, LONG).toBe(phase);
    return { stop };
  };
  const status = () => client.request<DaemonStatus>("GET", "/v1/status");
  const leases = async () => (await client.request<{ leases: Lease[] }>("GET", "/v1/leases")).leases;
  const holders = async () => new Map((await leases()).map(({ address, pod }) => [address, pod.name]));
  const interfaceOfOther = async () => (await status()).interfaces.find(({ id }) => id === OTHERS);
  const cni = (verb: "ADD" | "DEL", containerId: string, name: string) => {
    const pod = { namespace: "shop", name, uid: "" };
    return callDaemon({ verb, containerId, pod, configuration, environment: {} }, socket);
  };
  const record = async (document: unknown) => {
    const file = path.join(folder, "record.json");
    await writeFile(file, JSON.stringify(document));
    return file;
  };
  const adopt = async (...args: string[]) => {
    const { code, stdout, stderr } = await callEnid(["adopt", "--ipamd", "off", "--json", ...args], {
      ENID_SOCKET: socket,
    });
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout) as AdoptionReport;
  };
  const stillOnInterface = () => {
    const [described] = simulator.cloud.truth().interfaces.filter(({ id }) => id === OTHERS);
    return described?.secondaryAddresses ?? [];
  };
  return {
    client,
    configuration,
    start,
    status,
    leases,
    holders,
    interfaceOfOther,
    cni,
    record,
    adopt,
    stillOnInterface,
  };
}

function checkpoint() {
  return {
    version: "vpc-cni-ipam/1",
    allocations: PODS.map((ipv4, n) => ({
      networkName: "aws-cni",
      containerID: `old-${n}`,
      ifName: "eth0",
      ipv4,
      allocationTimestamp: 1647904840550836700,
      metadata: { k8sPodNamespace: "shop", k8sPodName: `web-${n}` },
    })),
  };
}

function ciliumNode() {
  const used = PODS.map((address, n) => [address, { owner: `shop/web-${n}`, resource: OTHERS }]);
  used.push([ADDRESSES[4] ?? "", { owner: "router", resource: OTHERS }]);
  return { apiVersion: "cilium.io/v2", kind: "CiliumNode", status: { ipam: { used: Object.fromEntries(used) } } };
}

const OLD_PODS = new Map(PODS.map((address, n) => [address, `web-${n}`]));

describe("a node taken over from the VPC CNI", () => {
  it("keeps its pods' addresses, gives others to new pods, serves DEL of the old ones, and keeps all over a restart", async () => {
    const { start, adopt, record, holders, leases, interfaceOfOther, cni, status, stillOnInterface } =
      await lab(VPC_CNI_TAGS);
    const { stop } = await start();
    expect(await interfaceOfOther()).toMatchObject({ usable: false, unusableBecause: "of the VPC CNI" });
    const file = await record(checkpoint());

    const dry = await adopt("--from", "vpc-cni", "--file", file, "--dry-run");
    expect(dry.leases.map(({ address, pod, outcome, interfaceId }) => [address, pod, outcome, interfaceId])).toEqual(
      PODS.map((address, n) => [address, `shop/web-${n}`, "taken", OTHERS]),
    );
    expect(dry.interfaces).toContainEqual(expect.objectContaining({ id: OTHERS, outcome: "taken-over", leases: 4 }));
    expect([await leases(), (await status()).settings.values["adopt-interfaces-of"]]).toEqual([[], []]);

    const report = await adopt("--from", "vpc-cni", "--file", file);
    expect(report.leases.map(({ outcome }) => outcome)).toEqual(["taken", "taken", "taken", "taken"]);
    expect(await interfaceOfOther()).toMatchObject({ usable: true });
    expect(await holders()).toEqual(OLD_PODS);
    const [first] = await leases();
    expect(first?.attachment).toEqual({ network: "pods", containerId: "old-0", interfaceName: "eth0" });
    const again = await adopt("--from", "vpc-cni", "--file", file);
    expect(again.leases.map(({ outcome }) => outcome)).toEqual(["known", "known", "known", "known"]);

    const added = await Promise.all(Array.from({ length: 8 }, (_, n) => cni("ADD", `new-${n}`, `new-${n}`)));
    const given = added.map(({ address }) => address);
    expect(new Set(given).size).toBe(8);
    expect(given).not.toContain(undefined);
    expect(given.filter((address) => PODS.includes(address ?? ""))).toEqual([]);
    expect(given).toContain(ADDRESSES[5]);
    // The runtime that repeats the ADD of a pod from before gets that pod's address.
    expect((await cni("ADD", "old-1", "web-1")).address).toBe(PODS[1]);

    expect((await cni("DEL", "old-0", "web-0")).exitCode).toBe(0);
    expect((await holders()).has(PODS[0] ?? "")).toBe(false);
    const before = await holders();
    expect(before.size).toBe(3 + 8);
    await stop();
    await start();
    expect(await holders()).toEqual(before);
    expect(await interfaceOfOther()).toMatchObject({ usable: true });
    expect(stillOnInterface()).toEqual(expect.arrayContaining(PODS.slice(1)));
  }, 60_000);

  it("that stops between the leases and the interfaces gives no pod's address to another afterwards", async () => {
    const { start, client, holders, cni, interfaceOfOther } = await lab(VPC_CNI_TAGS);
    const { stop } = await start();
    const request = { from: "vpc-cni", file: "f", text: JSON.stringify(checkpoint()), network: "pods", dryRun: false };
    // While metadata lags the daemon's own first addresses it wants to be asked again, as the command does.
    const ask = () =>
      client.request<AdoptionReport>("PUT", "/v1/adoption", request).catch((error: Error) => error.message);
    let answer: AdoptionReport | string = "";
    await expect
      .poll(async () => (answer = typeof answer === "string" ? await ask() : answer), LONG)
      .toBeTypeOf("object");
    expect(answer).toMatchObject({ leases: Array.from({ length: 4 }, () => ({ outcome: "taken" })) });
    await stop();
    await start();
    expect(await holders()).toEqual(OLD_PODS);
    expect(await interfaceOfOther()).toMatchObject({ usable: false });
    await client.request("PUT", "/v1/overrides", { assignment: "adopt-interfaces-of=vpc-cni" });
    await expect.poll(async () => (await interfaceOfOther())?.usable, LONG).toBe(true);
    const added = await Promise.all(Array.from({ length: 8 }, (_, n) => cni("ADD", `new-${n}`, `new-${n}`)));
    expect(added.filter(({ address }) => address === undefined || PODS.includes(address))).toEqual([]);
    expect(await holders()).toEqual(
      new Map([...OLD_PODS, ...added.map(({ address }, n) => [address, `new-${n}`] as const)]),
    );
  }, 60_000);
});

describe("a full node taken over from the VPC CNI", () => {
  it("on which enid has no interface of its own serves pods from the interfaces that it took over", async () => {
    const last = {
      id: "eni-0b000000000000002",
      subnet: "subnet-0a000000000000003",
      primaryAddress: "100.64.1.10",
      secondaryAddresses: ["100.64.1.20"],
      tags: VPC_CNI_TAGS,
      attachment: { instance: INSTANCE, deviceIndex: 2 },
    };
    const { start, adopt, record, holders, cni, interfaceOfOther, status } = await lab(VPC_CNI_TAGS, [last]);
    await start("growing");
    expect((await status()).pool.total).toBe(0);
    const report = await adopt("--from", "vpc-cni", "--file", await record(checkpoint()));
    expect(report.interfaces.map(({ id, outcome }) => [id, outcome])).toEqual([
      ["eni-0a000000000000001", "left"],
      [OTHERS, "held"],
      [last.id, "held"],
    ]);
    expect(await interfaceOfOther()).toMatchObject({ usable: true });
    const { address } = await cni("ADD", "new", "new");
    expect([ADDRESSES[4], ADDRESSES[5], "100.64.1.20"]).toContain(address);
    expect(await holders()).toEqual(new Map([...OLD_PODS, [address, "new"]]));
  }, 60_000);
});

describe("a node taken over from Cilium's operator", () => {
  it("ends a lease with the DEL of its pod's old sandbox, early or late, and keeps what the agent has out of use", async () => {
    const { start, adopt, record, holders, cni, interfaceOfOther } = await lab(CILIUM_TAGS);
    await start();
    expect(await interfaceOfOther()).toMatchObject({ usable: false, unusableBecause: "of Cilium's operator" });
    const report = await adopt("--from", "cilium", "--file", await record(ciliumNode()));
    expect(report.leases.map(({ outcome }) => outcome)).toEqual(["taken", "taken", "taken", "taken", "taken"]);
    expect(await holders()).toEqual(new Map([...OLD_PODS, [ADDRESSES[4], "router"]]));

    // web-0: its sandbox is made anew, DEL first.
    expect((await cni("DEL", "old-0", "web-0")).exitCode).toBe(0);
    expect((await holders()).has(PODS[0] ?? "")).toBe(false);
    const zero = await cni("ADD", "new-0", "web-0");
    expect(zero.address).toBeDefined();
    expect(zero.address).not.toBe(PODS[0]);
    // web-1: the DEL of the old sandbox comes after the ADD of the new one, and again.
    const one = await cni("ADD", "new-1", "web-1");
    expect(one.address).not.toBe(PODS[1]);
    for (let times = 0; times < 2; times++) expect((await cni("DEL", "old-1", "web-1")).exitCode).toBe(0);
    const after = await holders();
    expect([after.get(one.address ?? ""), after.has(PODS[1] ?? "")]).toEqual(["web-1", false]);
    expect([after.get(PODS[2] ?? ""), after.get(PODS[3] ?? "")]).toEqual(["web-2", "web-3"]);
    expect(after.get(ADDRESSES[4] ?? "")).toBe("router");
  }, 60_000);
});
