import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DaemonProcess, runCli } from "../../scripts/lab/daemon.ts";
import { callPlugin, type LabPod, labPods, type PluginAnswer } from "../../scripts/lab/plugin.ts";
import type { StatusReport } from "../../src/manager/index.ts";

const RANGE = "10.12.5.0/28";
const OTHER = "10.12.9.0/28";
const LIMIT_MS = 60_000;

/** A machine on-premises with a real daemon; what stands for instance metadata there counts who asks. */
async function machine() {
  const folder = mkdtempSync(join(tmpdir(), "enid-ranges-"));
  const configurationFile = join(folder, "enid.conf");
  let asked = 0;
  const metadata = createServer((_request, response) => {
    asked += 1;
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => metadata.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`;
  const coverage = join(folder, "coverage");
  mkdirSync(coverage);
  const environment = {
    ENID_HOST_ROUTES: "off",
    ENID_MACHINE_ID: "0123456789abcdef0123456789abcdef",
    AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint,
    AWS_ENDPOINT_URL: endpoint,
    // Lists the modules that the process loaded, when it ends in an orderly way.
    NODE_V8_COVERAGE: coverage,
  };
  const boot = (bootId: string) => new DaemonProcess({ folder, configurationFile, environment, bootId });
  const first = boot("boot-1");
  const daemons = [first];
  onTestFinished(async () => {
    for (const daemon of daemons) await daemon.kill();
    await new Promise((resolve) => metadata.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });
  const plugin = (verb: "ADD" | "DEL", pod: LabPod): Promise<PluginAnswer> => {
    const configuration = readFileSync(configurationFile, "utf8");
    return callPlugin({ verb, containerId: pod.containerId, pod, configuration, environment: first.clientEnvironment });
  };
  return {
    daemon: first,
    reboot: (bootId: string) => {
      const daemon = boot(bootId);
      daemons.push(daemon);
      return daemon;
    },
    /** As configuration management does it: another file takes the place of the old one. */
    write: (ipam: object, more: object = {}) => {
      const base = { cniVersion: "1.0.0", name: "cilium", type: "cilium-cni", ...more };
      const text = JSON.stringify({ ...base, ipam: { type: "enid-ipam", "cooling-seconds": 1, ...ipam } });
      writeFileSync(`${configurationFile}.new`, text);
      renameSync(`${configurationFile}.new`, configurationFile);
    },
    plugin,
    until: (daemon: DaemonProcess, condition: (status: StatusReport) => boolean) =>
      daemon.until<StatusReport>("/v1/status", condition, LIMIT_MS),
    enid: async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await runCli([...args, "--socket", first.socket], first.clientEnvironment);
      return { code, text: stdout + stderr };
    },
    /** A command that asks no daemon. */
    alone: (...args: readonly string[]) =>
      runCli([...args, configurationFile], { ...first.clientEnvironment, ...environment }),
    asked: () => asked,
    loaded: (): string[] =>
      readdirSync(coverage).flatMap((file) => {
        const { result } = JSON.parse(readFileSync(join(coverage, file), "utf8")) as { result: { url: string }[] };
        return result.map(({ url }) => url);
      }),
  };
}

function states({ ranges = [] }: StatusReport): string[] {
  return ranges.map(({ cidr, state }) => `${cidr} ${state}`);
}

describe("a real daemon with podCIDRs", () => {
  it("serves pods through kill -9, changes of its file, refused ones too, and a reboot, and never asks EC2", async () => {
    const lab = await machine();
    const { daemon, plugin, until } = lab;
    const [first, second, third] = labPods(3);
    if (first === undefined || second === undefined || third === undefined) throw new Error("no pods");
    lab.write({ podCIDRs: [RANGE], "excluded-addresses": ["10.12.5.2"] });
    daemon.start();
    const ready = await until(daemon, (status) => status.ready);
    expect(ready).toMatchObject({ provider: "node-cidr", capacity: 12, degraded: [], interfaces: [], subnets: [] });
    expect(ready.budget).toBeUndefined();

    const added = await plugin("ADD", first);
    expect(added.address).toBe("10.12.5.3");
    expect(JSON.parse(added.stdout).ips).toEqual([{ address: "10.12.5.3/28", gateway: "10.12.5.1" }]);
    await plugin("ADD", second);

    // What people read says nothing of EC2.
    for (const args of [
      ["status"],
      ["plan"],
      ["explain", "10.12.5.3"],
      ["explain", "10.12.5.2"],
      ["explain", "shop/web-0000"],
    ]) {
      const { code, text } = await lab.enid(...args);
      expect(code, text).toBe(0);
      expect(text, args.join(" ")).not.toMatch(/EC2|subnet|eni-|instance|prefix(es)? held|cloud/i);
    }

    const planned = await lab.alone("plan", "--waiting", "20", "--read-eni-configuration");
    expect(planned).toMatchObject({ code: 0, stderr: "" });
    expect(planned.stdout).toContain(`shortfall: the node's own ranges ${RANGE} have 12 free addresses`);
    const checked = await lab.alone("check", "permissions", "--config");
    expect(checked).toMatchObject({ code: 0, stdout: expect.stringContaining("no permission is needed") });

    // A DEL that comes while the daemon is dead waits in the queue, the other lease in the state.
    await daemon.kill();
    expect((await plugin("DEL", second)).exitCode).toBe(0);
    daemon.start();
    const after = await until(daemon, (status) => status.ready);
    expect(after.pool).toMatchObject({ leased: 1 });
    expect((await plugin("ADD", first)).address).toBe("10.12.5.3");

    // The range drains, and is gone after its last pod.
    lab.write({ podCIDRs: [OTHER] });
    await until(daemon, (status) => states(status).includes(`${OTHER} serving`));
    expect(states(await until(daemon, () => true))).toContain(`${RANGE} draining`);
    expect((await plugin("ADD", third)).address).toBe("10.12.9.2");
    expect((await plugin("ADD", first)).address).toBe("10.12.5.3");
    expect((await plugin("DEL", first)).exitCode).toBe(0);
    await until(daemon, (status) => states(status).join() === `${OTHER} serving`);

    // A file that means EC2 changes nothing, neither now nor at a restart while a pod has an address.
    lab.write({}, { eni: { "subnet-tags": { pods: "true" } } });
    const isRefused = ({ configuration }: StatusReport) => configuration.error?.code === "ENID_CONFIG_INVALID";
    await until(daemon, isRefused);
    await daemon.kill();
    daemon.start();
    const kept = await until(daemon, (status) => status.ready && isRefused(status));
    expect(kept).toMatchObject({ provider: "node-cidr", pool: { leased: 1 }, configuration: { source: "last-valid" } });
    expect(kept.configuration.error?.message).toContain("drain or reboot the node");
    expect(await daemon.stop()).toBe(0);

    // A reboot ends the leases.
    lab.write({ podCIDRs: [OTHER] });
    const rebooted = lab.reboot("boot-2");
    rebooted.start();
    expect((await until(rebooted, (status) => status.ready)).pool).toMatchObject({ leased: 0, total: 13 });
    expect(await rebooted.stop()).toBe(0);

    expect(lab.asked()).toBe(0);
    const loaded = lab.loaded();
    expect(loaded.some((url) => url.includes("/providers/node-cidr/"))).toBe(true);
    expect(loaded.filter((url) => /@aws-sdk|@smithy|providers\/aws/.test(url))).toEqual([]);
  }, 180_000);
});
