import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { VERSION } from "../../src/cli/version.ts";
import { effectiveSettings, readConfiguration } from "../../src/configuration/index.ts";
import { CILIUM_NODES, LEASES, NODES, PODS, type ResourceKind } from "../../src/handoff/cilium-node/api.ts";
import { filesBelow, ROOT, readSource } from "../house/source-files.ts";
import { parseYaml, readYaml } from "./yaml.ts";

const FOLDER = "deploy/kubernetes";
const API = "src/handoff/cilium-node/api.ts";
const PAGE = readSource("docs/cilium-node.md");

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly [key: string]: unknown;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** The documents of a file, without what is a comment alone. */
function documents(name: string): Manifest[] {
  return readSource(`${FOLDER}/${name}.yaml`)
    .split(/^---$/m)
    .map((text) => parseYaml(text) as Manifest);
}

function only<T extends object = Manifest>(name: string, kind: string): Manifest & T {
  const found = documents(name).filter((one) => one.kind === kind);
  if (found.length !== 1) throw new Error(`${name}.yaml has ${found.length} of ${kind}`);
  return found[0] as Manifest & T;
}

const rulesOf = ({ rules }: Manifest) => rules as readonly Rule[];
const resource = ({ group, plural }: ResourceKind, subresource = "") => `${group}/${plural}${subresource}`;

/** What a role grants: "group/resource" and its verbs. */
function grants(role: Manifest): Record<string, string[]> {
  const all = rulesOf(role).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.map((name) => [`${group}/${name}`, verbs.toSorted()] as const)),
  );
  expect(new Set(all.map(([name]) => name)).size, "each resource once").toBe(all.length);
  return Object.fromEntries(all);
}

const RBAC = ["rbac", "rbac-pods", "rbac-taints"] as const;
const roles = RBAC.flatMap(documents).filter(({ kind }) => /Role$/.test(kind));

describe("the rights in deploy/kubernetes", () => {
  it("are those that the hand-off needs, and no more", () => {
    expect(grants(only("rbac", "ClusterRole"))).toEqual({
      [resource(CILIUM_NODES)]: ["create", "get", "list", "patch", "watch"],
      [resource(CILIUM_NODES, "/status")]: ["patch"],
      [resource(NODES)]: ["get"],
    });
    expect(grants(only("rbac", "Role"))).toEqual({ [resource(LEASES)]: ["create", "get", "patch"] });
  });

  it("together are what the port to the API can do, but for deleting", () => {
    const [, port = ""] = /^export interface KubernetesApi \{\n(.*?)^\}/ms.exec(readSource(API)) ?? [];
    const methods = [...port.matchAll(/^ {2}(\w+)\(/gm)].map(([, name]) => name);
    const verbs = roles.flatMap((role) => Object.values(grants(role)).flat());
    expect(new Set([...verbs, "delete"])).toEqual(new Set(methods));
  });

  it("for settings that are off by default are files of their own", () => {
    expect(grants(only("rbac-pods", "ClusterRole"))).toEqual({ [resource(PODS)]: ["list", "watch"] });
    expect(grants(only("rbac-taints", "ClusterRole"))).toEqual({ [resource(NODES)]: ["patch"] });
    expect(roles.map(({ metadata }) => metadata.name)).toEqual([
      "enid-cilium-node",
      "enid-lease",
      "enid-pods",
      "enid-taints",
    ]);
  });

  it("have no wildcard, no secret, no deletion", () => {
    for (const { apiGroups, resources, verbs } of roles.flatMap(rulesOf)) {
      const words = [...apiGroups, ...resources, ...verbs];
      expect(words.filter((word) => word.includes("*") || /secret|token|^delete|escalate|bind/.test(word))).toEqual([]);
    }
  });

  it("go to the service account and to the users of nodes, each role by a binding of its name", () => {
    const bindings = RBAC.flatMap(documents).filter(({ kind }) => /RoleBinding$/.test(kind));
    expect(bindings.map(({ kind, roleRef }) => [kind, roleRef])).toEqual(
      roles.map(({ kind, metadata }) => [
        `${kind}Binding`,
        { apiGroup: "rbac.authorization.k8s.io", kind, name: metadata.name },
      ]),
    );
    for (const { subjects } of bindings) {
      expect(subjects).toEqual([
        { kind: "ServiceAccount", name: "enid", namespace: "enid" },
        { kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "enid:nodes" },
      ]);
    }
  });

  it("on leases are in the namespace that the configuration names", () => {
    const { metadata } = only("rbac", "Namespace");
    expect(only("rbac", "Role").metadata.namespace).toBe(metadata.name);
    expect(only("rbac", "RoleBinding").metadata.namespace).toBe(metadata.name);
    expect(settingsOf(configurationText())["lease-namespace"]).toBe(metadata.name);
  });
});

interface Policy {
  readonly spec: {
    readonly failurePolicy: string;
    readonly matchConstraints: { readonly resourceRules: readonly Readonly<Record<string, readonly string[]>>[] };
    readonly matchConditions: readonly { readonly expression: string }[];
    readonly variables: readonly { readonly name: string; readonly expression: string }[];
    readonly validations: readonly { readonly expression: string; readonly reason: string }[];
  };
}

// What the expressions answer is tried against a real API server: test/kubernetes.
describe("the admission policy in deploy/kubernetes", () => {
  const { metadata, spec } = only<Policy>("admission", "ValidatingAdmissionPolicy");
  const expressions = spec.validations.map(({ expression }) => expression).join("\n");

  it("refuses what it cannot judge, and is bound to deny", () => {
    expect(spec.failurePolicy).toBe("Fail");
    expect(only("admission", "ValidatingAdmissionPolicyBinding").spec).toEqual({
      policyName: metadata.name,
      validationActions: ["Deny"],
    });
    expect(spec.validations.every(({ reason }) => reason === "Forbidden")).toBe(true);
  });

  it("looks at all writing of enid's accounts, and at nobody else's", () => {
    expect(spec.matchConstraints.resourceRules).toEqual([
      { apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"] },
    ]);
    const [condition, ...more] = spec.matchConditions;
    expect(more).toEqual([]);
    const { name, namespace } = only("rbac", "ServiceAccount").metadata;
    const words = [...(condition?.expression ?? "").matchAll(/"([^"]*)"/g)].map(([, word]) => word);
    expect(words).toEqual([`system:serviceaccount:${namespace}:${name}`, "enid:", "enid:nodes"]);
  });

  it("allows whatever the roles allow to write, each by a name of the node's own", () => {
    const written = roles.flatMap((role) =>
      Object.entries(grants(role))
        .filter(([, verbs]) => verbs.some((verb) => verb === "create" || verb === "patch"))
        .map(([name]) => name),
    );
    expect(written.length).toBe(4);
    for (const name of written) {
      const [group = "", plural = "", subresource = ""] = name.split("/");
      expect(expressions).toContain(`"${group}/${plural}/${subresource}"`);
    }
    expect(expressions).toContain('variables.name == "enid-" + variables.node');
  });

  it("uses each of its variables, and defines those that it uses", () => {
    const used = new Set([...JSON.stringify(spec).matchAll(/variables\.(\w+)/g)].map(([, name]) => name));
    expect(used).toEqual(new Set(spec.variables.map(({ name }) => name)));
  });

  it("holds the customary taints for enid's own", () => {
    for (const taint of ["enid.io/not-ready", "enid.io/no-free-addresses"]) expect(PAGE).toContain(`"${taint}"`);
    const own = spec.variables.filter(({ name }) => /taints/i.test(name));
    expect(own.length).toBe(2);
    for (const { expression } of own) expect(expression).toContain('!taint.key.startsWith("enid.io/")');
  });
});

const FILE_NAME = "05-enid.conflist";

function configurationText(): string {
  const { data } = only<{ data: Record<string, string> }>("configuration", "ConfigMap");
  expect(Object.keys(data)).toEqual([FILE_NAME]);
  return data[FILE_NAME] ?? "";
}

function settingsOf(text: string) {
  const configuration = readConfiguration(Buffer.from(text), FILE_NAME);
  expect(configuration.notices).toEqual([]);
  return effectiveSettings(configuration, {}).values;
}

/** The same node with the plugin, as the comment of configuration.yaml says. */
function forPlugin(text: string): string {
  const list = JSON.parse(text);
  const [{ kubernetes: _kubernetes, ipam, ...entry }] = list.plugins;
  return JSON.stringify({ ...list, plugins: [{ ...entry, ipam: { type: "enid-ipam", ...ipam } }] }, undefined, 2);
}

describe("the configuration in deploy/kubernetes", () => {
  it("is valid for either hand-off, without a notice", () => {
    expect(settingsOf(configurationText())).toMatchObject({ "hand-off": "cilium-node", "cilium-dialect": "auto" });
    expect(settingsOf(forPlugin(configurationText()))).toMatchObject({ "hand-off": "cni" });
  });
});

interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly mountPropagation?: string;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly valueFrom: Readonly<Record<string, unknown>> }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly Mount[];
  readonly [probe: `${string}Probe`]: {
    readonly httpGet: { readonly host: string; readonly port: number; readonly path: string };
  };
}

interface DaemonSet {
  readonly spec: {
    readonly selector: { readonly matchLabels: Record<string, string> };
    readonly updateStrategy: unknown;
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: {
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly {
          readonly name: string;
          readonly hostPath?: { readonly path: string; readonly type: string };
          readonly configMap?: { readonly name: string };
        }[];
        readonly [key: string]: unknown;
      };
    };
  };
}

describe("the DaemonSet in deploy/kubernetes", () => {
  const { metadata, spec } = only<DaemonSet>("daemonset", "DaemonSet");
  const pod = spec.template.spec;
  const [install, ...moreInit] = pod.initContainers;
  const [enid, ...more] = pod.containers;
  if (install === undefined || enid === undefined) throw new Error("a container is missing");
  const volume = (name: string) => pod.volumes.find((one) => one.name === name);
  const mount = (path: string) => enid.volumeMounts.find(({ mountPath }) => mountPath === path);

  it("runs enid of this version on every node, before anything else has a network", () => {
    expect([moreInit, more]).toEqual([[], []]);
    for (const { image } of [install, enid]) expect(image).toBe(`enid:${VERSION}`);
    expect(pod).toMatchObject({
      hostNetwork: true,
      dnsPolicy: "Default",
      priorityClassName: "system-node-critical",
      tolerations: [{ operator: "Exists" }],
      nodeSelector: { "kubernetes.io/os": "linux" },
    });
    expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
  });

  it("has the account that the rights are for", () => {
    const account = only("rbac", "ServiceAccount").metadata;
    expect([pod.serviceAccountName, metadata.namespace]).toEqual([account.name, account.namespace]);
    expect(pod).not.toHaveProperty("automountServiceAccountToken");
    const { labels } = only("rbac", "Namespace").metadata;
    expect(labels).toEqual({ "pod-security.kubernetes.io/enforce": "privileged" });
  });

  it("replaces a few at a time, and never has two on a node", () => {
    expect(spec.updateStrategy).toEqual({
      type: "RollingUpdate",
      rollingUpdate: { maxSurge: 0, maxUnavailable: expect.stringMatching(/^[1-9]%$/) },
    });
  });

  it("grants NET_ADMIN to the daemon and nothing else to anybody", () => {
    const least = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true };
    expect(enid.securityContext).toEqual({ ...least, capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } });
    expect(install.securityContext).toEqual({ ...least, capabilities: { drop: ["ALL"] } });
    for (const name of ["hostPID", "hostIPC", "shareProcessNamespace"]) expect(pod).not.toHaveProperty(name);
    expect(JSON.stringify(pod)).not.toMatch(/privileged|Unconfined|procMount/);
  });

  it("mounts each volume somewhere, and nothing that is no volume", () => {
    const mounted = [install, enid].flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
    expect(new Set(mounted)).toEqual(new Set(pod.volumes.map(({ name }) => name)));
    expect(new Set(pod.volumes.map(({ name }) => name)).size).toBe(pod.volumes.length);
    for (const { volumeMounts } of [install, enid]) {
      expect(new Set(volumeMounts.map(({ mountPath }) => mountPath)).size).toBe(volumeMounts.length);
    }
  });

  it("keeps state, socket and sandboxes where enid and the runtime have them on the host", async () => {
    const flags = (await COMMANDS.run?.load())?.flags ?? {};
    const folders = [dirname(String(flags.socket?.default)), String(flags["state-dir"]?.default)];
    expect(folders).toEqual(["/run/enid", "/var/lib/enid"]);
    for (const folder of [...folders, "/etc/enid", "/run/netns"]) {
      expect(volume(mount(folder)?.name ?? "")?.hostPath, folder).toEqual({ path: folder, type: "DirectoryOrCreate" });
    }
    for (const folder of folders) expect(mount(folder)?.readOnly, folder).toBeUndefined();
    expect(mount("/etc/enid")?.readOnly).toBe(true);
    expect(mount("/run/netns")).toMatchObject({ readOnly: true, mountPropagation: "HostToContainer" });
  });

  it("runs the daemon by the file of the ConfigMap", async () => {
    expect(enid.command).toEqual(["/opt/enid/enid"]);
    const [name, ...args] = enid.args;
    const run = await COMMANDS[name ?? ""]?.load();
    if (run === undefined) throw new Error(`there is no command ${name}`);
    const { flags, positionals } = parseArguments(run, args, {});
    expect(positionals).toEqual([]);
    const file = String(flags["read-eni-configuration"]);
    expect(file).toBe(`/configuration/${FILE_NAME}`);
    expect(volume(mount(dirname(file))?.name ?? "")?.configMap).toEqual({
      name: only("configuration", "ConfigMap").metadata.name,
    });
  });

  it("says which node it is, and where the API server is where that is known", () => {
    const [node, host, port, ...rest] = enid.env ?? [];
    expect(rest).toEqual([]);
    expect(node).toEqual({ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } });
    expect(readSource("src/cli/commands/run.ts")).toContain("environment.NODE_NAME");
    for (const [one, name, key] of [
      [host, "KUBERNETES_SERVICE_HOST", "host"],
      [port, "KUBERNETES_SERVICE_PORT", "port"],
    ] as const) {
      expect(one).toEqual({ name, valueFrom: { configMapKeyRef: { name: "enid-api-server", key, optional: true } } });
      expect(PAGE).toContain(`--from-literal=${key}=`);
    }
    expect(PAGE).toContain("kubectl --namespace=enid create configmap enid-api-server ");
  });

  it("asks the daemon how it is where it listens, and restarts it for nothing but being stuck", async () => {
    const flags = (await COMMANDS.run?.load())?.flags ?? {};
    const paths = Object.entries({
      startupProbe: "/healthz",
      livenessProbe: "/healthz",
      readinessProbe: "/readyz",
    } as const);
    for (const [name, path] of paths) {
      const asked = enid[name as `${string}Probe`]?.httpGet;
      expect(asked?.path, name).toBe(path);
      expect(`${asked?.host}:${asked?.port}`, name).toBe(flags.listen?.default);
      expect(readSource("src/telemetry/health-routes.ts")).toContain(`server.get("${path}"`);
    }
  });

  describe("before the daemon starts", () => {
    function node(configuration: string) {
      const folder = mkdtempSync(join(tmpdir(), "enid-kubernetes-"));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      for (const { mountPath } of install?.volumeMounts ?? []) mkdirSync(join(folder, mountPath), { recursive: true });
      mkdirSync(join(folder, "opt/enid"), { recursive: true });
      const put = (path: string, text: string) => writeFileSync(join(folder, path), text);
      put(`configuration/${FILE_NAME}`, configuration);
      put("opt/enid/enid-ipam", "first");
      const [script = ""] = install?.args ?? [];
      const here = script
        .replaceAll("/opt/enid/enid validate", `${ROOT}/bin/enid validate`)
        .replaceAll(/(?<=[ =])\/(?=host\/|configuration\/|opt\/enid\/)/g, `${folder}/`);
      return {
        put,
        there: (path: string) => readFileSync(join(folder, path), "utf8"),
        path: (path: string) => join(folder, path),
        run() {
          const [shell = "", ...flags] = install?.command ?? [];
          const { status, stderr } = spawnSync(shell, [...flags, here], { encoding: "utf8", timeout: 60_000 });
          expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
        },
      };
    }
    const BIN = "host/opt/cni/bin";
    const PLACED = `host/etc/cni/net.d/${FILE_NAME}`;

    it("the plugin is replaced whole, the one before is kept, and one is left alone that is right", () => {
      const { put, there, path, run } = node(configurationText());
      run();
      expect(there(`${BIN}/enid-ipam`)).toBe("first");
      const { ino, mode } = statSync(path(`${BIN}/enid-ipam`));
      expect(mode & 0o777).toBe(0o755);
      run();
      expect(statSync(path(`${BIN}/enid-ipam`)).ino).toBe(ino);
      expect(readdirSync(path(BIN))).toEqual(["enid-ipam"]);
      put("opt/enid/enid-ipam", "second");
      run();
      expect([there(`${BIN}/enid-ipam`), there(`${BIN}/.enid-ipam.before`)]).toEqual(["second", "first"]);
      expect(readdirSync(path(BIN)).toSorted()).toEqual([".enid-ipam.before", "enid-ipam"]);
    });

    it("the runtime gets no network configuration of enid where Cilium's agent gives the addresses", () => {
      const { path, run } = node(configurationText());
      run();
      expect(existsSync(path(PLACED))).toBe(false);
    });

    it("the runtime gets the one that names the plugin, and keeps it when the next is broken", () => {
      const good = forPlugin(configurationText());
      const { put, there, path, run } = node(good);
      run();
      expect(there(PLACED)).toBe(good);
      const { ino, mode } = statSync(path(PLACED));
      expect(mode & 0o777).toBe(0o644);
      run();
      expect(statSync(path(PLACED)).ino).toBe(ino);
      put(`configuration/${FILE_NAME}`, good.replace('"pre-allocate"', '"pre-alocate"').replace("8", '"many"'));
      run();
      expect(there(PLACED)).toBe(good);
      // Without a line break at its end, which a ConfigMap may lack.
      const next = good.replace('"pre-allocate": 8', '"pre-allocate": 16').replaceAll("\n", " ");
      put(`configuration/${FILE_NAME}`, next);
      run();
      expect(there(PLACED)).toBe(next);
      expect(readdirSync(dirname(path(PLACED)))).toEqual([FILE_NAME]);
    });
  });
});

/** Values by their paths: {ipam: {mode: "x"}} is {"ipam.mode": "x"}. */
function flat(values: unknown, prefix = ""): Record<string, unknown> {
  const entries = Object.entries(values as Record<string, unknown>).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(flat(value, `${prefix}${key}.`))
      : [[`${prefix}${key}`, value] as const],
  );
  return Object.fromEntries(entries);
}

describe("Cilium's values in deploy/kubernetes", () => {
  const plugin = flat(readYaml("deploy/cilium/values.yaml"));
  const crd = flat(readYaml(`${FOLDER}/values-crd.yaml`));
  const eni = flat(readYaml(`${FOLDER}/values-eni.yaml`));

  it("keep cilium-operator off the instances, and the agent in its mode", () => {
    // What both read says crd. The chart makes operator-aws of eni.enabled, and refuses ipam.mode eni without it since 1.20.
    for (const values of [eni, crd]) expect([values["ipam.mode"], values["eni.enabled"]]).toEqual(["crd", false]);
    expect([eni.extraArgs, crd.extraArgs]).toEqual([["--ipam=eni"], undefined]);
  });

  it("let the agent make its CiliumNode", () => {
    for (const values of [eni, crd]) expect(values["extraConfig.auto-create-cilium-node-resource"]).toBe("true");
  });

  it("for crd are those for the plugin, but for where addresses come from", () => {
    const own = Object.keys(crd).filter((path) => crd[path] !== plugin[path]);
    expect(own).toEqual([
      "ipam.mode",
      "extraConfig.auto-create-cilium-node-resource",
      "extraConfig.enable-local-node-route",
    ]);
    // The agent has addresses of its own here, writes its own network configuration, and is installed by Helm.
    const left = Object.keys(plugin).filter((path) => !(path in crd));
    expect(left).toEqual([
      "ipam.installUplinkRoutesForDelegatedIPAM",
      "extraConfig.local-router-ipv4",
      "endpointHealthChecking.enabled",
      "envoyConfig.enabled",
      "cni.customConf",
      "cni.exclusive",
      "cluster.name",
      "cluster.id",
      "envoy.enabled",
    ]);
  });

  it("for eni say nothing but who gives addresses, and what the chart's eni.enabled said besides", () => {
    expect(Object.keys(eni)).toEqual([
      "ipam.mode",
      "extraArgs",
      "eni.enabled",
      "extraConfig.auto-create-cilium-node-resource",
      "endpointRoutes.enabled",
      "routingMode",
      "installNoConntrackIptablesRules",
      "enableIPv4Masquerade",
    ]);
    for (const path of ["endpointRoutes.enabled", "routingMode", "installNoConntrackIptablesRules"]) {
      expect(eni[path], path).toBe(plugin[path]);
    }
  });
});

describe("the files of deploy/kubernetes", () => {
  it("are all on the page, and the page names no other", () => {
    const named = [...PAGE.matchAll(/deploy\/kubernetes\/([\w-]+\.yaml)/g)].map(([, name]) => `${FOLDER}/${name}`);
    expect(new Set(named)).toEqual(new Set(filesBelow(FOLDER)));
  });
});
