import { afterEach, beforeEach, expect, it } from "vitest";
import { readSource } from "../house/source-files.ts";
import { describeAsRoot } from "../support/root.ts";
import { createMachine, type Machine } from "./machine.ts";
import { CONFLIST } from "./release.ts";

const ENTRY = readSource("deploy/ec2/bottlerocket/host-container");
const HOST = ".bottlerocket/rootfs";
const OWN = ".bottlerocket/host-containers/current";

/** The container's own file system in which the entry runs; the host's is below it. */
let container: Machine;

beforeEach(() => {
  container = createMachine(Buffer.alloc(0));
  container.write("usr-local/bin/enid", readSource("test/bootstrap/stubs/host-enid"), 0o755);
  container.write("usr-local/lib/enid/enid-ipam", "the plugin\n");
  container.write(`${HOST}/opt/cni/bin/loopback`, "of the host\n", 0o755);
  container.write(`${OWN}/user-data`, CONFLIST);
});
afterEach(() => container.remove());

const ON_HOST = `${HOST}/etc/cni/net.d/05-enid.conflist`;
/** Files that appeared, with their modes. */
function laidDown(): Record<string, string> {
  const there = [
    `${HOST}/opt/cni/bin/loopback`,
    `${OWN}/user-data`,
    "usr/local/bin/enid",
    "usr/local/lib/enid/enid-ipam",
  ];
  return Object.fromEntries(
    Object.entries(container.files())
      .filter(([path]) => !there.includes(path))
      .map(([path, is]) => [path, is.slice(0, 4)]),
  );
}

const ALL = {
  [ON_HOST]: "0644",
  [`${HOST}/opt/cni/bin/enid-ipam`]: "0755",
  // The daemon's socket is where the plugin on the host looks for it.
  [`${HOST}/run/enid/enid.sock`]: "0644",
};

describeAsRoot("enid's host container on Bottlerocket", () => {
  it("lays down plugin and configuration, and changes nothing when it starts again", async () => {
    const first = await container.run(ENTRY);
    expect(first.code, first.console).toBe(0);
    expect(laidDown()).toEqual(ALL);
    expect(container.read(ON_HOST)).toBe(CONFLIST);
    // The daemon and the question after it start at once.
    expect(container.calls("enid").toSorted()).toEqual([
      `run --read-eni-configuration /${OWN}/user-data --state-dir /${OWN}/state`,
      "status --wait --wait-seconds 30",
      `validate /${OWN}/user-data`,
    ]);
    const files = container.files();
    const second = await container.run(ENTRY);
    expect(second.code, second.console).toBe(0);
    expect(container.files()).toEqual(files);
  });

  it("keeps the node unready for as long as the first addresses are not there", async () => {
    container.write("stub/late", "");
    const run = await container.run(ENTRY);
    expect(run.code, run.console).toBe(0);
    expect(run.console).toMatch(/still without the first addresses after 30 s[\s\S]*the node has its first addresses/);
    expect(laidDown()).toEqual(ALL);
  });

  it("ends as the daemon does, and then the node is not ready", async () => {
    container.write("stub/daemon-dies", "");
    const run = await container.run(ENTRY);
    expect(run.code, run.console).toBe(3);
    expect(run.console).toContain("enid ended with exit code 3");
    expect(laidDown()).toEqual({ [`${HOST}/opt/cni/bin/enid-ipam`]: "0755" });
  });

  it("lays down nothing of a configuration that is not valid, or absent", async () => {
    container.write("stub/invalid", "");
    const invalid = await container.run(ENTRY);
    expect([invalid.code, laidDown()]).toEqual([1, {}]);
    expect(invalid.console).toContain("FAILED: the configuration");
    container.write(`${OWN}/user-data`, "");
    const absent = await container.run(ENTRY);
    expect([absent.code, laidDown()]).toEqual([1, {}]);
    expect(absent.console).toContain("user-data is empty");
  });

  it("holds no network namespace of a pod", async () => {
    const before = `#!/bin/sh
mkdir -p /${HOST}/run/netns
touch /${HOST}/run/netns/cni-1
mount --bind /proc/self/ns/net /${HOST}/run/netns/cni-1
grep -c ' - nsfs ' /proc/self/mountinfo
exec sh /stub/entry
`;
    container.write("stub/entry", ENTRY);
    const run = await container.run(before);
    expect(run.code, run.console).toBe(0);
    expect(run.console).toMatch(/^1\n/);
    expect(run.console).not.toContain("a namespace is held");
  });

  it("passes the signal to stop on to the daemon, and waits for it", async () => {
    container.write("stub/stays", "");
    container.write("stub/entry", ENTRY);
    const run = await container.run(`#!/bin/sh
sh /stub/entry &
entry=$!
until [ -e /${ON_HOST} ]; do /usr/bin/sleep 0.02; done
/usr/bin/sleep 0.3
kill -TERM "$entry"
wait "$entry"
`);
    expect(run.console).toContain("stopped\n");
    expect(run.console).toContain("enid ended with exit code 0");
    expect(run.code).toBe(0);
  });
});
