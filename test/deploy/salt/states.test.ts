import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesBelow, ROOT, readSource } from "../../house/source-files.ts";
import { describeAsRoot } from "../../support/root.ts";
import { parseYaml, readYaml } from "../yaml.ts";
import { type Node, type StateResult, startNode } from "./node.ts";
import { packRelease, type Tarball } from "./release.ts";

const aws = JSON.parse(readSource("deploy/compose/aws/05-enid.conflist"));
const onPremises = JSON.parse(readSource("deploy/compose/on-premises/05-enid.conflist"));

const PLATFORM = `linux-${process.arch}`;

let node: Node;
let first: Tarball;
let second: Tarball;

beforeAll(async () => {
  // Mounts of its own are root's.
  if (process.getuid?.() !== 0) return;
  node = await startNode();
  [first, second] = [packRelease(node.folder, "0.1.0"), packRelease(node.folder, "0.2.0")];
}, 60_000);

afterAll(() => node?.remove());

const pillar = (version: string, { file, sha256 }: Tarball, rest: object = {}) => ({
  version,
  source: file,
  sha256: { [PLATFORM]: sha256 },
  configuration: aws,
  environment: { ENID_LOG_LEVEL: "info" },
  ...rest,
});

const failed = (states: Record<string, StateResult>) =>
  Object.entries(states).flatMap(([id, { result, comment }]) => (result === false ? [`${id}: ${comment}`] : []));
const changed = (states: Record<string, StateResult>) =>
  Object.keys(states).filter((id) => Object.keys(states[id]?.changes ?? {}).length > 0);
const file = (path: string) => node.shell(`cat ${path}`);

describeAsRoot("the states of deploy/salt, by systemd", () => {
  it("lay down all of enid, and nothing the second time", async () => {
    await node.call("saltutil.sync_all");
    const debug = { environment: { ENID_LOG_LEVEL: "debug" } };
    const states = await node.saltCall(pillar("0.1.0", first, debug));
    expect(failed(states)).toEqual([]);
    expect(JSON.parse(await file("/etc/cni/net.d/05-enid.conflist"))).toEqual(aws);
    expect(await file("/etc/enid/enid.env")).toContain("\nENID_LOG_LEVEL=debug\n");
    expect(await node.shell("stat -c %a /etc/enid/enid.env /opt/cni/bin/enid-ipam /usr/local/bin/enid")).toBe(
      "600\n755\n755\n",
    );
    expect(await node.shell("cmp /usr/local/bin/enid /opt/enid/releases/0.1.0/enid && ls /opt/enid/releases")).toBe(
      "0.1.0\n",
    );
    expect(await node.told()).toEqual([
      "systemctl daemon-reload",
      "systemctl enable --now enid.service",
      "systemctl restart enid.service",
    ]);

    expect(changed(await node.apply(pillar("0.1.0", first, debug)))).toEqual([]);
    expect(await node.told()).toEqual([]);
  }, 120_000);

  it("restart the daemon for other variables, and for nothing else", async () => {
    const states = await node.apply(pillar("0.1.0", first));
    expect(changed(states)).toEqual(["enid-environment", "enid-restarted"]);
    expect(await node.told()).toEqual(["systemctl restart enid.service"]);
  }, 60_000);

  it("refuse a configuration that enid would not take: the one before stays", async () => {
    const wrong = structuredClone(aws);
    wrong.plugins[0].ipam["min-allocate"] = "many";
    const states = await node.apply(pillar("0.2.0", second, { configuration: wrong }));
    expect(failed(states)[0]).toMatch(/^enid-configuration: check_cmd execution failed\n.*min-allocate/s);
    expect(states["enid-installed"]?.comment).toContain("requisite failed");
    expect(JSON.parse(await file("/etc/cni/net.d/05-enid.conflist"))).toEqual(aws);
    expect(JSON.parse(await file("/etc/enid/05-enid.conflist"))).toEqual(aws);
    expect(await node.shell("cmp /usr/local/bin/enid /opt/enid/releases/0.1.0/enid")).toBe("");
    expect(await node.told()).toEqual([]);
  }, 60_000);

  it("take no release of another checksum, none that is not whole, and none without a checksum", async () => {
    const other = await node.apply(pillar("0.3.0", { ...first, sha256: second.sha256 }));
    expect(failed(other)[0]).toMatch(/^enid-release: .*SHA-256/);
    const none = await node.apply(pillar("0.3.0", { ...first, sha256: "" }));
    expect(failed(none)[0]).toContain("no checksum");
    const away = await node.apply(pillar("0.3.0", { ...first, file: "/nowhere.tar.gz" }));
    expect(failed(away)[0]).toContain("/nowhere.tar.gz cannot be fetched");
    await node.shell(`cd ${node.folder} && mkdir -p half && cp -r enid-0.1.0-linux-x64 half/ && echo x >>half/enid-0.1.0-linux-x64/enid-ipam
      tar -czf half.tar.gz -C half enid-0.1.0-linux-x64`);
    const sha256 = (await node.shell(`sha256sum ${node.folder}/half.tar.gz`)).slice(0, 64);
    const half = await node.apply(pillar("0.3.0", { file: `${node.folder}/half.tar.gz`, sha256 }));
    expect(failed(half)[0]).toContain("not whole");
    expect(await node.shell("ls /opt/enid/releases")).toBe("0.1.0\n0.2.0\n");
  }, 60_000);

  it("go to another release, and back without fetching it again", async () => {
    const forth = await node.apply(pillar("0.2.0", second));
    expect(failed(forth)).toEqual([]);
    expect(forth["enid-installed"]?.changes).toEqual({
      "/usr/local/bin/enid": "updated",
      "systemctl restart enid.service": "done",
    });
    const back = await node.apply(pillar("0.1.0", { file: "/nowhere.tar.gz", sha256: first.sha256 }));
    expect(failed(back)).toEqual([]);
    expect(await node.shell("cmp /usr/local/bin/enid /opt/enid/releases/0.1.0/enid && ls /opt/enid/releases")).toBe(
      "0.1.0\n0.2.0\n",
    );
  }, 60_000);

  it("say what they would do, and how the node is", async () => {
    await node.shell("rm -f /run/stub-status.json");
    await node.call("pillar.items");
    const standing = await node.call("enid_node.standing");
    expect(standing).toMatchObject({ well: false, why: expect.stringContaining("the stub has no status") });
    // Without pillar nothing is said of a release: all of it is to be done.
    expect(Object.keys((standing as { pending: object }).pending)).toContain("enid-release");

    const gate = (status?: object, options: object = {}) => {
      if (status !== undefined) writeFileSync(join(node.folder, "status.json"), JSON.stringify(status));
      return node
        .shell(status === undefined ? ":" : `cp ${node.folder}/status.json /run/stub-status.json`)
        .then(() => node.call("enid_node.gate", [], { wait_seconds: 1, ...options }));
    };
    const well = {
      version: "0.2.0",
      ready: true,
      configuration: { source: "file" },
      degraded: [],
      pool: { leased: 3 },
    };
    const throttled = [{ name: "ec2-throttled", error: { message: "EC2 throttles" } }];
    expect(await gate()).toMatchObject({ well: false, why: expect.stringContaining("not ready after") });
    expect(await gate(well, { version: "0.2.0" })).toEqual({ well: true, why: "", degraded: [] });
    expect(await gate(well, { version: "0.1.0" })).toMatchObject({
      well: false,
      why: expect.stringContaining("0.2.0"),
    });
    expect(await gate({ ...well, ready: false, waitingFor: "subnets" })).toMatchObject({ why: "not ready: subnets" });
    expect(await gate({ ...well, degraded: throttled })).toMatchObject({ why: "ec2-throttled: EC2 throttles" });
    expect(await gate({ ...well, degraded: throttled }, { known: ["ec2-throttled"] })).toMatchObject({ well: true });
    const rejected = { source: "last-valid", error: { message: "line 3" } };
    expect(await gate({ ...well, configuration: rejected })).toMatchObject({ why: "the file is not in force: line 3" });
    expect(await node.call("enid_node.leased")).toBe(3);
    expect(await node.call("enid_node.gate_gone")).toMatchObject({ well: false });
  }, 60_000);

  it("remove enid, and nothing the second time", async () => {
    await node.told();
    await node.shell("touch /var/lib/enid/state.db");
    expect(failed(await node.apply({ ensure: "absent" }))).toEqual([]);
    expect(await node.told()).toContain("systemctl disable --now enid.service");
    const left = await node.shell(
      "ls -d /usr/local/bin/enid /opt/cni/bin/enid-ipam /etc/cni/net.d/05-enid.conflist /opt/enid/releases 2>/dev/null || :",
    );
    expect(left).toBe("");
    expect(await node.shell("ls /var/lib/enid")).toBe("state.db\n");
    expect(changed(await node.apply({ ensure: "absent" }))).toEqual([]);
    expect(await node.call("enid_node.gate_gone")).toMatchObject({ well: true });
  }, 60_000);
});

describeAsRoot("the states of deploy/salt, by docker-compose", () => {
  const own = { way: "compose", configuration: onPremises };
  const compose = { profiles: ["bird"], override: { services: { enid: { mem_limit: "512m" } } } };
  const wanted = () => pillar("0.1.0", first, { ...own, compose });

  it("lay down the files, start the containers, and do nothing the second time", async () => {
    const states = await node.apply(wanted());
    expect(failed(states)).toEqual([]);
    expect(JSON.parse(await file("/etc/cni/net.d/05-enid.conflist"))).toEqual(onPremises);
    expect(await file("/etc/bird/bird.conf")).toContain("4200000112");
    const rendered = parseYaml(await node.shell("/usr/local/sbin/enid-compose config")) as {
      services: Record<
        string,
        { mem_limit?: string; environment?: object; volumes: { source: string; target: string }[] }
      >;
    };
    expect(Object.keys(rendered.services)).toContain("bird");
    expect(rendered.services.enid?.mem_limit).toBe("512m");
    expect(rendered.services.enid?.volumes).toContainEqual(
      expect.objectContaining({ source: "/opt/enid/releases/0.1.0", target: "/opt/enid" }),
    );
    expect(rendered.services["cilium-agent"]?.environment).toMatchObject({ K8S_NODE_NAME: "node-1" });
    expect(rendered.services["cilium-agent"]?.volumes).toContainEqual(
      expect.objectContaining({ source: "/opt/enid/releases/0.1.0/share/deploy/cilium/agent.d" }),
    );
    expect(await node.told()).toEqual([
      "systemd-tmpfiles --create /etc/tmpfiles.d/enid-compose.conf",
      "docker compose up",
      "docker compose exec -T bird birdc -s /run/bird/bird.ctl configure",
      "systemctl daemon-reload",
    ]);

    expect(changed(await node.apply(wanted()))).toEqual([]);
    const dry = await node.call("state.apply", ["enid"], { pillar: { enid: wanted() }, test: true });
    expect(Object.values(dry as Record<string, StateResult>).filter(({ result }) => result !== true)).toEqual([]);
  }, 120_000);

  it("refuse a configuration that enid would not take: the one before stays", async () => {
    const wrong = structuredClone(onPremises);
    wrong.plugins[0].ipam.podCIDRs = ["10.12.5.0/33"];
    const states = await node.apply({ ...wanted(), configuration: wrong });
    expect(failed(states)[0]).toMatch(/^enid-configuration: check_cmd execution failed/);
    expect(JSON.parse(await file("/etc/cni/net.d/05-enid.conflist"))).toEqual(onPremises);
  }, 60_000);

  it("go to another release: the containers are replaced", async () => {
    const states = await node.apply({
      ...wanted(),
      version: "0.2.0",
      source: second.file,
      sha256: { [PLATFORM]: second.sha256 },
    });
    expect(failed(states)).toEqual([]);
    expect(Object.keys(states["enid-containers"]?.changes ?? {})).toContain("enid");
    expect(await node.shell("readlink /usr/local/bin/enid")).toBe("/opt/enid/releases/0.2.0/enid\n");
  }, 60_000);

  it("remove enid only where no pod has an address of it", async () => {
    await node.told();
    const refused = await node.apply({ ensure: "absent", way: "compose" });
    expect(failed(refused)[0]).toBe("enid-removed: 3 pods of this node have addresses of enid: drain it first");
    expect(await node.told()).toEqual([]);
    await node.shell("rm /run/stub-status.json");
    expect(failed(await node.apply({ ensure: "absent", way: "compose" }))).toEqual([]);
    expect(await node.told()).toContain("docker compose down");
    const left = await node.shell(
      "ls -d /usr/local/bin/enid /usr/local/sbin/enid-compose /opt/cni/bin/enid-ipam /etc/enid/compose 2>/dev/null || :",
    );
    expect(left).toBe("");
    expect(changed(await node.apply({ ensure: "absent", way: "compose" }))).toEqual([]);
  }, 60_000);
});

describeAsRoot("the orchestration of deploy/salt", () => {
  it("calls the runner, and fails with it", async () => {
    const rollout = { target: "node-*", batch: 5, first: 2, wait_seconds: 60 };
    const shown = await node.call("state.show_sls", ["enid.orchestrate.rollout"], { pillar: { rollout } });
    const words = (shown as Record<string, { salt: object[] }>)["enid-rollout"]?.salt ?? [];
    expect(Object.assign({}, ...words.filter((word) => typeof word === "object"))).toMatchObject({
      name: "enid_rollout.run",
      target: "node-*",
      target_type: "glob",
      batch: 5,
      first: 2,
      wait_seconds: 60,
      max_failed: 0,
      gate: "ready",
    });

    const orchestrate = ["state.orchestrate", "enid.orchestrate.rollout", `pillar=${JSON.stringify({ rollout })}`];
    const { code, answer } = await node.saltRun(orchestrate);
    expect(code).toBe(1);
    expect(JSON.stringify(answer)).toContain("no minion is node-* (glob)");
  }, 60_000);
});

describe("the files of deploy/salt", () => {
  const states = filesBelow("deploy/salt", (path) => path.endsWith(".sls"));

  it("are clean for salt-lint", () => {
    expect(states.length).toBeGreaterThan(8);
    const lint = join(ROOT, ".enid/python/bin/salt-lint");
    const ended = spawnSync(lint, states, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    expect(ended).toMatchObject({ status: 0, stdout: "" });
  }, 60_000);

  it("have pillars that say what the files of deploy/compose say", () => {
    const configurationOf = (name: string) =>
      (readYaml(`deploy/salt/pillar/enid/${name}.sls`) as { enid: { configuration: object } }).enid.configuration;
    expect(configurationOf("aws")).toEqual(aws);
    expect(configurationOf("on_premises")).toEqual(onPremises);
  });
});
