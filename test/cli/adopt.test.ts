import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import fastify from "fastify";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../src/adapters/index.ts";
import type { AdoptionText } from "../../src/adoption/index.ts";
import { adopt } from "../../src/cli/commands/adopt.ts";
import { controlRoutes } from "../../src/cli/control-routes.ts";
import { EnidError } from "../../src/errors.ts";
import type { AdoptedInterface, AdoptedLease, AdoptionReport } from "../../src/manager/index.ts";
import { FakeManager, temporaryFolder } from "./fake-daemon.ts";
import { callEnid } from "./run-enid.ts";

type Outcome = AdoptedInterface["outcome"];

/** A daemon whose one foreign interface is taken over some looks after the setting says so. */
class AdoptingManager extends FakeManager {
  readonly asked: { request: AdoptionText; dryRun: boolean }[] = [];
  leases_: AdoptedLease[] = [];
  looksUntilHeld = 2;
  error: EnidError | undefined;
  errorsLeft = Number.POSITIVE_INFINITY;
  #adopting: AdoptionReport["adopting"] = [];
  #taken = new Set<string>();

  override async adoptLeases(request: AdoptionText, dryRun: boolean): Promise<AdoptionReport> {
    this.asked.push({ request, dryRun });
    if (this.error !== undefined && this.errorsLeft-- > 0) throw this.error;
    if (this.#adopting.length > 0 && dryRun) this.looksUntilHeld -= 1;
    const outcome: Outcome = this.looksUntilHeld <= 0 ? "held" : "taken-over";
    const leases = this.leases_.map((lease) =>
      this.#taken.has(lease.address) ? { ...lease, outcome: "known" as const } : lease,
    );
    if (!dryRun) for (const { address } of leases) this.#taken.add(address);
    return {
      from: request.from,
      file: request.file,
      dryRun,
      leases,
      interfaces: [
        { id: "eni-a", subnetId: "subnet-a", outcome, why: outcome === "held" ? "" : "of the VPC CNI", leases: 1 },
      ],
      notes: ["10.0.1.1 is the router's"],
      adopting: this.#adopting,
    };
  }

  override async setOverride(assignment: string) {
    if (assignment.startsWith("adopt-interfaces-of=")) this.#adopting = ["vpc-cni"];
    return super.setOverride(assignment);
  }
}

const TAKEN: AdoptedLease = { address: "10.0.1.5", pod: "shop/web-1", interfaceId: "eni-a", outcome: "taken", why: "" };
const REFUSED: AdoptedLease = {
  ...TAKEN,
  address: "10.0.1.6",
  pod: "shop/web-2",
  outcome: "refused",
  why: "it is cooling",
};

async function lab() {
  const folder = await temporaryFolder();
  const socket = path.join(folder, "enid.sock");
  const manager = new AdoptingManager();
  manager.leases_ = [TAKEN];
  const server = fastify();
  await server.register(controlRoutes({ manager, version: "9.9.9", events: () => [] }));
  await server.listen({ path: socket });
  onTestFinished(() => server.close());
  const file = path.join(folder, "ipam.json");
  await writeFile(file, "the record");
  const call = (...args: string[]) =>
    callEnid(["adopt", "--from", "vpc-cni", "--file", file, "--ipamd", "off", ...args], { ENID_SOCKET: socket });
  return { folder, socket, file, manager, call };
}

describe("enid adopt", () => {
  it("--dry-run shows every lease and interface and changes nothing", async () => {
    const { call, manager, file } = await lab();
    manager.leases_ = [TAKEN, REFUSED];
    const { code, stdout, stderr } = await call("--dry-run", "--network", "cilium");
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout).toBe(
      [
        "2 leases of the VPC CNI: 1 would be taken over, 0 known already, 1 refused; nothing was changed",
        "",
        "ADDRESS   POD         INTERFACE  LEASE",
        "10.0.1.5  shop/web-1  eni-a      would be taken",
        "10.0.1.6  shop/web-2  eni-a      refused         it is cooling",
        "",
        "INTERFACE  SUBNET    LEASES  INTERFACE IS",
        "eni-a      subnet-a  1       would be taken over  of the VPC CNI",
        "",
        "10.0.1.1 is the router's",
        "",
      ].join("\n"),
    );
    const request = { from: "vpc-cni", file, text: "the record", network: "cilium" };
    expect(manager.asked).toEqual([{ request, dryRun: true }]);
    expect(manager.told).toEqual([]);
  });

  it("enters the leases, then has the interfaces taken over, waits for that, and says what it took in all", async () => {
    const { call, manager } = await lab();
    const { code, stdout } = await call("--network", "cilium");
    expect(stdout).toContain("1 lease of the VPC CNI: 1 taken over, 0 known already, 0 refused\n");
    expect(stdout).toMatch(/^eni-a +subnet-a +1 +enid's$/m);
    expect(code).toBe(0);
    expect(manager.asked.map(({ dryRun }) => dryRun)).toEqual([false, true, true, false]);
    expect(manager.told).toEqual(["set adopt-interfaces-of=vpc-cni"]);
  });

  it("waits until the daemon can tell which addresses are the node's", async () => {
    const { call, manager } = await lab();
    manager.error = new EnidError("ENID_ADOPTION_EARLY", { reason: "EC2 has not described eni-a" });
    manager.errorsLeft = 2;
    expect((await call("--network", "cilium")).code).toBe(0);
    expect(manager.asked.map(({ dryRun }) => dryRun)).toEqual([false, false, false, true, true, false]);
  });

  it("run again finds all of it done", async () => {
    const { call, manager } = await lab();
    await call("--network", "cilium");
    const { stdout } = await call("--network", "cilium", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ dryRun: false, leases: [{ outcome: "known" }], adopting: ["vpc-cni"] });
    expect(manager.told).toHaveLength(1);
  });

  it("takes the name of the network from the file that the daemon reads, and asks for it when there is none", async () => {
    const { call, manager, folder } = await lab();
    const file = path.join(folder, "05-enid.conf");
    const name = async (text: string) => {
      await writeFile(file, text);
      manager.report = { ...manager.report, configuration: { ...manager.report.configuration, file } };
      return call("--dry-run");
    };
    await name('{"cniVersion":"1.0.0","name":"pods","type":"cilium-cni","ipam":{}}');
    expect(manager.asked[0]?.request.network).toBe("pods");
    const { code, stderr } = await name('{"cniVersion":"1.0.0","type":"cilium-cni","ipam":{}}');
    expect([code, stderr]).toEqual([2, expect.stringContaining("--network NAME is missing")]);
  });

  it("does not take over from a VPC CNI that is alive", async () => {
    const { call, manager, file, socket } = await lab();
    const ipamd = createServer((connection) => connection.destroy());
    const port = await new Promise<number>((resolve) => {
      ipamd.listen(0, "127.0.0.1", () => {
        const address = ipamd.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    onTestFinished(() => void ipamd.close());
    const alive = (...more: string[]) =>
      callEnid(
        ["adopt", "--from", "vpc-cni", "--file", file, "--ipamd", `127.0.0.1:${port}`, "--network", "n", ...more],
        {
          ENID_SOCKET: socket,
        },
      );
    const { code, stderr } = await alive();
    expect(code).toBe(1);
    expect(stderr).toContain(`the VPC CNI still runs on this node: something answers on 127.0.0.1:${port}`);
    expect(manager.asked).toEqual([]);
    expect((await alive("--dry-run")).code).toBe(0);
    await new Promise((resolve) => ipamd.close(resolve));
    expect((await alive()).code).toBe(0);
    expect((await call("--network", "n")).code).toBe(0);
  });

  it("passes the daemon's refusal on, and says what is wrong with the file itself", async () => {
    const { call, manager, folder } = await lab();
    manager.error = new EnidError("ENID_ADOPTION_FILE_INVALID", { file: "f", detail: "/version is missing" });
    const { code, stderr } = await call("--network", "cilium");
    expect([code, stderr]).toEqual([1, expect.stringContaining("ENID_ADOPTION_FILE_INVALID")]);
    expect(stderr).toContain("/version is missing");
    const missing = await callEnid(["adopt", "--from", "vpc-cni", "--file", path.join(folder, "none.json")]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("ENID_ADOPTION_FILE_UNREADABLE")]);
    await writeFile(path.join(folder, "latin"), Buffer.from([0x7b, 0xe4]));
    const latin = await callEnid(["adopt", "--from", "vpc-cni", "--file", path.join(folder, "latin")]);
    expect(latin.stderr).toContain("ENID_ADOPTION_FILE_UNREADABLE");
    const cilium = await callEnid(["adopt", "--from", "cilium"]);
    expect([cilium.code, cilium.stderr]).toEqual([2, expect.stringContaining("--file FILE is missing")]);
  });

  it("gives up waiting after a limit, and says what is missing and that the leases are safe", async () => {
    const { manager, socket, file } = await lab();
    manager.looksUntilHeld = Number.POSITIVE_INFINITY;
    let slept = 0;
    const clock: Clock = {
      ...systemClock,
      monotonicMs: () => slept,
      after(delayMs, callback) {
        if (delayMs !== 500) return systemClock.after(delayMs, callback);
        slept += delayMs;
        return systemClock.after(0, callback);
      },
    };
    const flags = { from: "vpc-cni", file, network: "cilium", ipamd: "off", "dry-run": false, json: false, socket };
    const output = { line: () => {}, error: () => {}, style: (_: string, text: string) => text };
    const error = await adopt
      .run({ flags: flags as never, positionals: [], output, environment: {}, clock })
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(EnidError);
    expect(error.message).toBe("after 91 s the daemon has not taken over eni-a: EC2 has not been asked for them since");
    expect(error.remedy).toContain("The leases are safe");
  });
});

describe("PUT /v1/adoption", () => {
  it("refuses a body of another form", async () => {
    const manager = new AdoptingManager();
    const server = fastify();
    await server.register(controlRoutes({ manager, version: "9.9.9", events: () => [] }));
    onTestFinished(() => server.close());
    const whole = { from: "cilium", file: "f", text: "{}", network: "n", dryRun: true };
    const put = async (body: object) => (await server.inject({ method: "PUT", url: "/v1/adoption", body })).statusCode;
    expect(await put(whole)).toBe(200);
    const others = [{ from: "calico" }, { file: 1 }, { text: null }, { network: "" }, { dryRun: "yes" }];
    for (const other of others) expect(await put({ ...whole, ...other })).toBe(400);
    expect(manager.asked).toHaveLength(1);
  });
});
