import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/commands.ts";
import { defaultSettings } from "../../src/configuration/index.ts";
import { readSource } from "../house/source-files.ts";
import { readYaml } from "./yaml.ts";

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly bind?: { readonly propagation?: string };
}

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly network_mode: string;
  readonly restart: string;
  readonly privileged?: boolean;
  readonly profiles?: readonly string[];
  readonly cap_drop: readonly string[];
  readonly cap_add?: readonly string[];
  readonly volumes: readonly Mount[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly build?: { readonly dockerfile_inline: string };
}

const FILE = "deploy/compose/docker-compose.yaml";
const { services } = readYaml(FILE) as { services: Readonly<Record<string, Service>> };
const PAGE = readSource("docs/cilium.md");

function service(name: string): Service {
  const found = services[name];
  if (found === undefined) throw new Error(`${FILE} has no service ${name}`);
  return found;
}

const mount = (name: string, target: string) => service(name).volumes.find((one) => one.target === target);

describe("deploy/compose/docker-compose.yaml", () => {
  it("has enid, the agent, and BIRD where it is asked for; the rest only installs", () => {
    const lasting = Object.keys(services).filter((name) => !name.startsWith("install-"));
    expect(lasting).toEqual(["enid", "cilium-agent", "bird"]);
    expect(lasting.filter((name) => service(name).profiles !== undefined)).toEqual(["bird"]);
    for (const name of lasting) {
      expect(service(name), name).toMatchObject({ network_mode: "host", restart: "unless-stopped" });
      expect(service(name).healthcheck?.test[0], name).toBe("CMD");
    }
  });

  it("pins every image by a version", () => {
    for (const [name, { image, build }] of Object.entries(services)) {
      expect(image, name).toMatch(/:v?\d+\.\d+/);
      if (build !== undefined) expect(build.dockerfile_inline, name).toMatch(/^FROM debian:\d+\.\d+-slim\n/);
    }
  });

  it("has one release of Cilium, the one that the page installs by Helm", () => {
    const releases = Object.values(services).flatMap(({ image }) => /cilium\/cilium:v(.*)$/.exec(image)?.[1] ?? []);
    expect(new Set(releases).size).toBe(1);
    expect(PAGE).toContain(`--version ${releases[0]} `);
    expect(readSource("deploy/cilium/values.yaml")).toContain(`--version ${releases[0]} `);
  });

  it("grants no container more than it needs", () => {
    for (const [name, one] of Object.entries(services)) {
      expect(one.cap_drop, name).toEqual(["ALL"]);
      expect(one.privileged, name).toBeUndefined();
    }
    expect(service("enid").cap_add).toEqual(["NET_ADMIN"]);
    expect(service("bird").cap_add).not.toContain("SYS_ADMIN");
    expect(service("install-enid-ipam").cap_add).toBeUndefined();
  });

  it("mounts the checkout so that nothing in it can be changed", () => {
    for (const name of ["enid", "install-enid-ipam"]) {
      expect(mount(name, "/opt/enid")?.read_only).toBe(true);
      expect(mount(name, "/opt/enid")?.source).toMatch(/ENID_CHECKOUT:-\.\.\/\.\.\}$/);
    }
  });

  it("lets enid see sandboxes that begin later", () => {
    expect(mount("enid", "/run/netns")).toMatchObject({ read_only: true, bind: { propagation: "rslave" } });
  });

  it("mounts the folders that enid uses by default", async () => {
    const flags = (await COMMANDS.run?.load())?.flags ?? {};
    const defaults = defaultSettings;
    const folders = [
      dirname(String(flags.socket?.default)),
      String(flags["state-dir"]?.default),
      dirname(defaults["bird-include-file"]),
      dirname(defaults["bird-control-socket"]),
    ];
    expect(folders).toEqual(["/run/enid", "/var/lib/enid", "/etc/bird", "/run/bird"]);
    for (const folder of folders) {
      expect(mount("enid", folder)?.source, folder).toBe(folder);
      expect(mount("enid", folder)?.read_only, folder).toBeUndefined();
    }
    for (const folder of folders.slice(2)) expect(mount("bird", folder)?.source).toBe(folder);
    expect(service("bird").command).toContain(defaults["bird-control-socket"]);
  });

  it("runs the daemon by the file that the steps install, and asks it how it is where it listens", async () => {
    const { command, healthcheck } = service("enid");
    const flags = (await COMMANDS.run?.load())?.flags ?? {};
    expect(command).toEqual([
      "/opt/enid/dist/enid",
      "run",
      "--read-eni-configuration",
      "/etc/cni/net.d/05-enid.conflist",
    ]);
    expect(Object.keys(flags)).toContain("read-eni-configuration");
    expect(mount("enid", "/etc/cni/net.d")).toMatchObject({ source: "/etc/cni/net.d", read_only: true });
    expect(healthcheck?.test.at(-1)).toBe(`http://${flags.listen?.default}/healthz`);
  });

  it("brings the programs that enid calls", () => {
    const packages = service("enid").build?.dockerfile_inline ?? "";
    for (const name of ["iproute2", "nftables", "bird2"]) expect(packages).toContain(` ${name} `);
  });

  it("gives the agent the folder of its settings, and flags only for where things are", () => {
    const { command } = service("cilium-agent");
    expect(mount("cilium-agent", "/etc/cilium/agent.d")?.source).toMatch(/CILIUM_AGENT_D:-\.\.\/cilium\/agent\.d\}$/);
    expect(command[1]).toBe("--config-dir=/etc/cilium/agent.d");
    const flags = command.slice(2).map((flag) => /^--([a-z0-9-]+)=\//.exec(flag)?.[1]);
    expect(flags).toEqual(["k8s-kubeconfig-path", "procfs", "cgroup-root"]);
  });
});
