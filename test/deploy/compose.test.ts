import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { VERSION } from "../../src/cli/version.ts";
import { defaultSettings } from "../../src/configuration/index.ts";
import { ROOT, readSource } from "../house/source-files.ts";
import { asComposeOneReadsIt } from "./compose-one.ts";
import { parseYaml, readYaml } from "./yaml.ts";

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly bind?: { readonly propagation?: string };
}

interface Service {
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  readonly network_mode: string;
  readonly restart: string;
  readonly privileged?: boolean;
  readonly profiles?: readonly string[];
  readonly cap_drop: readonly string[];
  readonly cap_add?: readonly string[];
  readonly volumes: readonly Mount[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly pull_policy?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
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

  it("pins every image by a version, and pulls enid of no registry unless told to", () => {
    for (const [name, { image }] of Object.entries(services)) expect(image, name).toMatch(/:v?\d+\.\d+/);
    for (const name of ["install-enid-ipam", "enid", "bird"]) {
      expect(service(name), name).toMatchObject({
        image: `\${ENID_IMAGE:-enid:${VERSION}}`,
        pull_policy: expect.stringMatching(/^\$\{ENID_PULL_POLICY:-never\}$/),
      });
    }
    expect(readSource("deploy/compose/node-tools/Dockerfile")).toMatch(/^FROM debian:\d+\.\d+-slim$/m);
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
    const { entrypoint, command, healthcheck } = service("enid");
    const flags = (await COMMANDS.run?.load())?.flags ?? {};
    expect(entrypoint).toEqual(["/opt/enid/enid"]);
    expect(command).toEqual(["run", "--read-eni-configuration", "/etc/cni/net.d/05-enid.conflist"]);
    expect(Object.keys(flags)).toContain("read-eni-configuration");
    expect(mount("enid", "/etc/cni/net.d")).toMatchObject({ source: "/etc/cni/net.d", read_only: true });
    const [kind, program, ...words] = healthcheck?.test ?? [];
    expect([kind, program, words[0]]).toEqual(["CMD", "/opt/enid/enid", "status"]);
    const status = await COMMANDS.status?.load();
    if (status === undefined) throw new Error("there is no command status");
    expect(parseArguments(status, words.slice(1), {}).flags).toMatchObject({ wait: true, "wait-seconds": 5 });
  });

  it("brings the programs that enid calls", () => {
    const packages = readSource("deploy/compose/node-tools/Dockerfile");
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

interface Rendered extends Omit<Service, "environment"> {
  readonly environment?: Readonly<Record<string, string>>;
  readonly mem_limit?: string | number;
}

describe("what docker-compose makes of the files", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "enid-compose-"));
    cpSync(join(ROOT, "deploy/compose"), folder, { recursive: true });
    for (const name of ["docker-compose.yaml", "release-folder.yaml"]) {
      const path = join(folder, name);
      writeFileSync(path, asComposeOneReadsIt(readFileSync(path, "utf8")));
    }
    // What the example names has to be there.
    writeFileSync(join(folder, "enid.env"), "ENID_LOG_LEVEL=debug\n");
    const example = readFileSync(join(folder, "docker-compose.override.example.yaml"), "utf8");
    expect(example).toContain("env_file: [/etc/enid/enid.env]");
    const override = example.replace("/etc/enid/enid.env", join(folder, "enid.env"));
    writeFileSync(join(folder, "docker-compose.override.yaml"), override);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function compose(files: readonly string[], { profile = "", variables = ".env.example" } = {}) {
    const names = files.flatMap((file) => ["--file", `${file}.yaml`]);
    const profiles = profile === "" ? [] : ["--profile", profile];
    const { status, stdout, stderr } = spawnSync(
      "docker-compose",
      [...names, ...profiles, "--env-file", variables, "config"],
      {
        cwd: folder,
        encoding: "utf8",
        timeout: 30_000,
        env: { PATH: process.env.PATH, ENID_RELEASE: "/opt/enid/0.1.0" },
      },
    );
    if (status !== 0) throw new Error(stderr);
    return (parseYaml(stdout) as { services: Record<string, Rendered> }).services;
  }

  const places = [
    { environment: "AWS", profile: "", lasting: ["cilium-agent", "enid"] },
    { environment: "on-premises", profile: "bird", lasting: ["bird", "cilium-agent", "enid"] },
  ];
  const ways = [
    { way: "by an image", files: ["docker-compose"] },
    { way: "by an image, with an override", files: ["docker-compose", "docker-compose.override"] },
    { way: "by a release", files: ["docker-compose", "release-folder"] },
    { way: "by a release, with an override", files: ["docker-compose", "release-folder", "docker-compose.override"] },
  ];

  it.each(places.flatMap((place) => ways.map((way) => ({ ...place, ...way }))))(
    "$environment, $way",
    ({ profile, lasting, files }) => {
      const all = compose(files, { profile });
      for (const name of lasting) expect(Object.keys(all)).toContain(name);
      const { enid, "install-enid-ipam": install, "cilium-agent": agent } = all;
      const isOverridden = files.includes("docker-compose.override");

      expect(enid?.depends_on).toMatchObject({ "install-enid-ipam": { condition: "service_completed_successfully" } });
      expect(agent?.depends_on).toMatchObject({
        "install-cilium-cni": { condition: "service_completed_successfully" },
      });
      const capabilities = ["NET_ADMIN", ...(isOverridden ? ["DAC_OVERRIDE", "CHOWN", "FOWNER"] : [])];
      expect([...(enid?.cap_add ?? [])].sort()).toEqual(capabilities.sort());
      expect(enid?.cap_drop).toEqual(["ALL"]);

      const targets = enid?.volumes.map(({ target }) => target) ?? [];
      for (const target of ["/etc/cni/net.d", "/etc/enid", "/run/enid", "/var/lib/enid", "/run/netns"]) {
        expect(targets).toContain(target);
      }
      const isFolder = files.includes("release-folder");
      for (const one of [enid, install]) {
        expect(one?.image).toBe(isFolder ? "enid-node-tools:12.11-1" : `enid:${VERSION}`);
        const release = one?.volumes.find(({ target }) => target === "/opt/enid");
        expect(release).toEqual(
          isFolder ? { type: "bind", source: "/opt/enid/0.1.0", target: "/opt/enid", read_only: true } : undefined,
        );
      }
      expect(all.bird?.image).toBe(enid?.image);

      expect(agent?.environment).toMatchObject({ K8S_NODE_NAME: "node-1.example.com" });
      if (isOverridden) {
        expect(enid?.environment).toEqual({ ENID_LOG_LEVEL: "debug" });
        expect([512 * 1024 * 1024, "512m", "536870912"]).toContain(enid?.mem_limit);
        expect(agent?.environment).toMatchObject({ CILIUM_IPV4_NODE: "10.0.12.5" });
      } else expect(enid?.environment).toBeUndefined();
      for (const { environment = {} } of Object.values(all)) {
        expect(Object.keys(environment).filter((name) => /PASSWORD|SECRET|TOKEN|KEY/.test(name))).toEqual([]);
      }
    },
    60_000,
  );

  it("refuses a release that is named nowhere", () => {
    const { status, stderr } = spawnSync(
      "docker-compose",
      ["--file", "docker-compose.yaml", "--file", "release-folder.yaml", "config"],
      { cwd: folder, encoding: "utf8", timeout: 30_000, env: { PATH: process.env.PATH } },
    );
    expect(status).not.toBe(0);
    expect(stderr).toContain("the folder of the unpacked release");
  });

  it("has variables in .env.example that the files read, and no other", () => {
    const read = ["docker-compose", "release-folder"].flatMap((name) =>
      [...readSource(`deploy/compose/${name}.yaml`).matchAll(/\$\{([A-Z_]+)/g)].map(([, word]) => word ?? ""),
    );
    const named = [...readSource("deploy/compose/.env.example").matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map(
      ([, word]) => word ?? "",
    );
    expect(new Set(named.filter((word) => !word.startsWith("COMPOSE_")))).toEqual(
      new Set(read.filter((word) => word !== "CILIUM_AGENT_D")),
    );
  });
});

describe("the installation of the plugin by docker-compose", () => {
  const install = (folder: string) => {
    const { entrypoint = [], command } = service("install-enid-ipam");
    const [shell = "", ...flags] = entrypoint;
    const script = (command[0] ?? "")
      .replaceAll("$$", "$")
      .replaceAll("/host/", `${folder}/host/`)
      .replaceAll("/opt/enid/", `${folder}/`);
    const { status, stderr } = spawnSync(shell, [...flags, script], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  };

  it("replaces it whole, keeps the one before, and leaves one alone that is right", () => {
    const folder = mkdtempSync(join(tmpdir(), "enid-plugin-"));
    try {
      const bin = join(folder, "host/opt/cni/bin");
      spawnSync("mkdir", ["-p", bin]);
      const put = (text: string) => writeFileSync(join(folder, "enid-ipam"), text);
      const there = (name: string) => readFileSync(join(bin, name), "utf8");
      put("first");
      install(folder);
      expect(there("enid-ipam")).toBe("first");
      const { ino, mode } = statSync(join(bin, "enid-ipam"));
      expect(mode & 0o777).toBe(0o755);
      install(folder);
      expect(statSync(join(bin, "enid-ipam")).ino).toBe(ino);
      expect(existsSync(join(bin, ".enid-ipam.before"))).toBe(false);
      put("second");
      install(folder);
      expect([there("enid-ipam"), there(".enid-ipam.before")]).toEqual(["second", "first"]);
      expect(readdirSync(bin).sort()).toEqual([".enid-ipam.before", "enid-ipam"]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
