import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { install, uninstall } from "../../src/installation/index.ts";
import { cutAt, files, type Lab, lab, put, release, temporary, tree } from "./lab.ts";

/** A node with an older enid, a plugin of somebody, and a file of a service that is no more. */
async function before(root: string, older: string): Promise<void> {
  const { machine, options } = lab({ root });
  put(root, "/opt/cni/bin/enid-ipam", "somebody's\n", 0o755);
  put(root, "/usr/lib/systemd/systemd-networkd");
  await install(machine, options({ release: older }));
  await machine.disk.remove("/usr/lib/systemd/systemd-networkd");
}

const update = ({ machine, options }: Lab, newer: string) =>
  install(machine, options({ release: newer, version: "2.0.0" }));
const leave = ({ machine }: Lab) => uninstall(machine, { dryRun: false, purge: true, stop: true });

/** Where a file is before it is in its place. */
const NOT_LOOKED_AT = /\/\.[^/]+\.enid-new$/;

describe("a power cut", () => {
  it.each([
    { what: "a first installation", prepare: async () => {}, work: update },
    { what: "an update over older and foreign files", prepare: before, work: update },
    { what: "an uninstallation", prepare: before, work: leave },
  ])("at any change of $what leaves whole files, and the next run ends it", async ({ prepare, work }) => {
    const [older, newer] = [release("1"), release("2")];
    const whole = lab();
    await prepare(whole.root, older);
    const was = tree(whole.root);
    const counter = cutAt(Number.POSITIVE_INFINITY);
    await work(lab({ root: whole.root, disk: counter.disk }), newer);
    const wanted = tree(whole.root);
    const changes = counter.changes();
    expect(changes).toBeGreaterThan(15);

    // One look at the end: an expectation costs more than an installation.
    const faults: string[] = [];
    for (let at = 1; at <= changes; at += 1) {
      const root = temporary();
      await prepare(root, older);
      const ended = await work(lab({ root, disk: cutAt(at).disk }), newer).then(String, ({ message }) => message);
      if (ended !== "the power goes") faults.push(`change ${at}: ${ended}`);
      for (const [path, is] of Object.entries(tree(root))) {
        const isKept = path.startsWith("/var/lib/enid/");
        if (path.endsWith("/") || isKept || NOT_LOOKED_AT.test(path)) continue;
        if (is !== was[path] && is !== wanted[path]) faults.push(`${path} after change ${at}: ${is}`);
      }
      await work(lab({ root }), newer);
      if (!isDeepStrictEqual(tree(root), wanted)) faults.push(`after change ${at} and another run: ${files(root)}`);
    }
    expect(faults).toEqual([]);
  });
});
