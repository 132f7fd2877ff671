import { existsSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { describeAsRoot } from "../../support/root.ts";
import { makePlace, type Place, pluginBinary, runPlugin } from "./helpers.ts";
import { type Ended, Namespaces } from "./namespaces.ts";
import { type Environment, type RealDaemon, startRealDaemon } from "./real-daemon.ts";

/**
 * Main plugins that enid did not write delegate to `enid-ipam`: ptp and bridge of the CNI project, in network namespaces
 * of their own, with the whole daemon behind. What the pods have at the end is proven by packets.
 */

const PLUGINS =
  ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"].find((folder) => existsSync(join(folder, "ptp"))) ?? "";
const OUTSIDE = ["203.0.113.2", "2001:db8:ffff::2"] as const;
const NODE = ["203.0.113.1", "2001:db8:ffff::1"] as const;
const PORT = 8080;
const BRIDGE = { type: "bridge", bridge: "enid0", isGateway: true } as const;

interface Result {
  readonly cniVersion: string;
  readonly ips: readonly { readonly address: string; readonly gateway?: string; readonly version?: string }[];
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
}

describeAsRoot("the plugins of the CNI project", () => {
  const namespaces = new Namespaces();
  let place: Place;
  let binary: string;
  let node: string;
  let outside: string;

  beforeAll(async () => {
    binary = pluginBinary();
    place = await makePlace();
    await symlink(binary, join(place.folder, "enid-ipam"));
  }, 60_000);

  afterAll(() => place.remove());

  /** A node, and what is beyond it. */
  beforeEach(async () => {
    [node, outside] = await Promise.all([namespaces.make("node"), namespaces.make("outside")]);
    await namespaces.join(
      { namespace: node, device: "uplink", addresses: ["203.0.113.1/24", "2001:db8:ffff::1/64"] },
      { namespace: outside, device: "eth0", addresses: ["203.0.113.2/24", "2001:db8:ffff::2/64"] },
    );
    await namespaces.ip(outside, "route", "add", "default", "via", "203.0.113.1");
    await namespaces.ip(outside, "-6", "route", "add", "default", "via", "2001:db8:ffff::1");
  });

  afterEach(() => namespaces.removeAll());

  /** A sandbox and what the plugins are told of it. */
  class Pod {
    readonly name: string;
    readonly namespace: string;
    result: Result | undefined;

    constructor(name: string, namespace: string) {
      this.name = name;
      this.namespace = namespace;
    }

    get addresses(): string[] {
      return (this.result?.ips ?? []).map(({ address }) => address.replace(/\/.*/, ""));
    }

    get attachment() {
      return { network: "pods", containerId: this.name, interfaceName: "eth0" };
    }
  }

  let pods = 0;
  async function makePod(): Promise<Pod> {
    const name = `pod-${++pods}`;
    return new Pod(name, await namespaces.make(name));
  }

  function callPlugin(verb: string, pod: Pod, configuration: Configuration, extra = ""): Promise<Ended> {
    const { type, version, ...more } = configuration;
    const environment = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod.name,
      CNI_NETNS: `/run/netns/${pod.namespace}`,
      CNI_IFNAME: "eth0",
      CNI_PATH: `${place.folder}:${PLUGINS}`,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod.name}${extra}`,
      ENID_SOCKET: place.socket,
    };
    const input = JSON.stringify({ cniVersion: version, name: "pods", type, ipam: { type: "enid-ipam" }, ...more });
    return namespaces.run(node, join(PLUGINS, type), [], { environment, input });
  }

  async function addPod(configuration: Configuration, extra = ""): Promise<Pod> {
    const pod = await makePod();
    const { exit, stdout, stderr } = await callPlugin("ADD", pod, configuration, extra);
    expect(exit, stdout + stderr).toBe(0);
    pod.result = JSON.parse(stdout) as Result;
    return pod;
  }

  async function deletePod(pod: Pod, configuration: Configuration): Promise<void> {
    for (const _ of ["once", "again"]) expect(await callPlugin("DEL", pod, configuration)).toMatchObject({ exit: 0 });
    await namespaces.remove(pod.namespace);
  }

  /** Packets there and back, by ICMP and by TCP: between the pods, and of both with the node and the outside. */
  async function expectReach(left: Pod, right: Pod): Promise<void> {
    await Promise.all([
      namespaces.serve(left.namespace, PORT, left.name),
      namespaces.serve(right.namespace, PORT, right.name),
      namespaces.serve(outside, PORT, "outside"),
    ]);
    const of = (families: readonly string[], own: readonly string[]) =>
      families.filter((address) => own.some((other) => other.includes(":") === address.includes(":")));
    const said = (from: string, address: string) => namespaces.hear(from, address, PORT);
    await Promise.all([
      ...right.addresses.map((address) => namespaces.ping(left.namespace, address)),
      ...left.addresses.map((address) => namespaces.ping(node, address)),
      ...of(NODE, right.addresses).map((address) => namespaces.ping(right.namespace, address)),
    ]);
    expect(await Promise.all(right.addresses.map((address) => said(left.namespace, address)))).toEqual(
      right.addresses.map(() => right.name),
    );
    expect(await Promise.all(left.addresses.map((address) => said(outside, address)))).toEqual(
      left.addresses.map(() => left.name),
    );
    const beyond = of(OUTSIDE, right.addresses);
    expect(await Promise.all(beyond.map((address) => said(right.namespace, address)))).toEqual(
      beyond.map(() => "outside"),
    );
  }

  const CASES: readonly { environment: Environment; configuration: Configuration; families: "dual" | "ipv4" }[] = [
    { environment: "AWS", configuration: { type: "ptp", version: "1.0.0" }, families: "dual" },
    { environment: "AWS", configuration: { type: "ptp", version: "0.4.0" }, families: "dual" },
    { environment: "AWS", configuration: { type: "ptp", version: "0.3.1" }, families: "ipv4" },
    { environment: "on-premises", configuration: { type: "ptp", version: "1.0.0" }, families: "dual" },
    { environment: "on-premises", configuration: { ...BRIDGE, version: "1.0.0" }, families: "dual" },
    { environment: "on-premises", configuration: { ...BRIDGE, version: "0.4.0" }, families: "ipv4" },
    { environment: "on-premises", configuration: { ...BRIDGE, version: "0.3.1" }, families: "dual" },
  ];

  it.each(CASES)(
    "$configuration.type $configuration.version on a node $environment: $families pods reach each other, the node and the outside",
    async ({ environment, configuration, families }) => {
      const daemon = await startRealDaemon(environment, place.folder, { "ip-families": families });
      onTestFinished(() => daemon.stop());
      const [left, right] = await Promise.all([addPod(configuration), addPod(configuration)]);
      expect(left.result).toMatchObject({ cniVersion: configuration.version });
      const lease = daemon.manager.lookup(left.attachment);
      expect(left.addresses).toEqual(families === "dual" ? [lease?.address, lease?.ipv6Address] : [lease?.address]);
      await expectReach(left, right);

      if (configuration.version !== "0.3.1") await expectChecks(daemon, right, configuration);
      await deletePod(left, configuration);
      await deletePod(right, configuration);
      expect(daemon.manager.leases()).toEqual([]);
      expect(daemon.manager.problems()).toEqual([]);
    },
    30_000,
  );

  /** CHECK succeeds while the lease is there, and ends with code 3 once it is not. */
  async function expectChecks(daemon: RealDaemon, pod: Pod, configuration: Configuration): Promise<void> {
    const check = () => callPlugin("CHECK", pod, { ...configuration, prevResult: pod.result });
    expect(await check()).toMatchObject({ exit: 0, stdout: "" });
    await daemon.manager.remove(pod.attachment);
    const { exit, stdout } = await check();
    expect({ exit, ...JSON.parse(stdout) }).toMatchObject({
      exit: 1,
      code: 3,
      msg: expect.stringMatching(/^ENID_LEASE_MISSING/),
    });
  }

  it.each<Environment>(["AWS", "on-premises"])(
    "ptp on a node %s: pods have the addresses that the runtime asks for, and GC ends what is no longer there",
    async (environment) => {
      const daemon = await startRealDaemon(environment, place.folder);
      onTestFinished(() => daemon.stop());
      const configuration = { type: "ptp", version: "1.0.0" } as const;
      const first = await addPod(configuration);
      const [ipv4 = "", ipv6 = ""] = first.addresses;
      const wanted = [ipv4.replace(/\d+$/, (last) => String(Number(last) + 2)), ipv6.replace(/[^:]*$/, "20")];

      const byArguments = await addPod(configuration, `;IP=${wanted.join(",")}`);
      expect(byArguments.addresses).toEqual(wanted);
      await expectReach(first, byArguments);

      const ips = [`${ipv4.replace(/\d+$/, (last) => String(Number(last) + 1))}/24`];
      const byCapability = await addPod({ ...configuration, runtimeConfig: { ips } }, `;IP=${ipv4}`);
      expect(byCapability.addresses[0]).toBe(ips[0]?.slice(0, -3));

      const late = await makePod();
      const refused = JSON.parse((await callPlugin("ADD", late, configuration, `;IP=${ipv4}`)).stdout);
      expect(refused).toMatchObject({ code: 103, msg: expect.stringContaining(`it is leased to shop/${first.name}`) });

      const valid = [{ containerID: byArguments.name, ifname: "eth0" }];
      const collected = await runPlugin(binary, {
        environment: { CNI_COMMAND: "GC", CNI_PATH: PLUGINS, ENID_SOCKET: place.socket },
        stdin: JSON.stringify({ cniVersion: "1.1.0", name: "pods", type: "ptp", "cni.dev/valid-attachments": valid }),
      });
      expect(collected).toMatchObject({ exit: 0, stdout: "" });
      expect(daemon.manager.leases().map(({ address }) => address)).toEqual([wanted[0]]);
    },
    30_000,
  );
});

interface Configuration {
  readonly type: "ptp" | "bridge";
  readonly version: string;
  readonly [key: string]: unknown;
}
