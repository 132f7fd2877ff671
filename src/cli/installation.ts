import { realpathSync } from "node:fs";
import { release } from "node:os";
import path from "node:path";
import { isSea } from "node:sea";
import { fileURLToPath } from "node:url";
import { type Clock, systemRandom } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import {
  diskBelow,
  findSources,
  type Machine,
  machinePrograms,
  type Probes,
  type Sources,
} from "../installation/index.ts";
import { permissionSettings } from "./permission-settings.ts";

/** Composes what `enid install` and `enid uninstall` work on. */

type Environment = Readonly<Record<string, string | undefined>>;

/** Metadata, and all the calls of EC2 together. */
const PROBE_LIMIT_MS = 60_000;

/** `root`: a folder that is not this machine's own root is one of which nothing runs. */
export function machineAt(
  root: string | undefined,
  environment: Environment,
  clock: Clock,
): Machine & { readonly root: string } {
  const folder = root === undefined ? "/" : rootFolder(root);
  if (folder !== "/") return { root: folder, disk: diskBelow(folder), running: undefined };
  const programs = machinePrograms(clock, environment.PATH);
  return {
    root: folder,
    disk: diskBelow("/"),
    running: { programs, probes: probesOf(environment, clock), kernel: release() },
  };
}

function rootFolder(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    throw new EnidError("ENID_USAGE", { detail: `--root ${root} is no folder that is there`, command: "install" });
  }
}

/** Of the release that this executable is of; of a checkout, what `npm run build` made. */
export function sourcesOf(executable: string | undefined, plugin: string | undefined): Sources {
  if (isSea()) return findSources({ executable, plugin, usual: { executable: process.execPath, plugins: [] } });
  const checkout = fileURLToPath(new URL("../..", import.meta.url));
  const usual = {
    executable: path.join(checkout, "dist/enid"),
    plugins: [path.join(checkout, "native/bin/enid-ipam")],
  };
  return findSources({ executable, plugin, usual });
}

function probesOf(environment: Environment, clock: Clock): Probes {
  const silent = { event() {}, cloudCall() {}, served() {} };
  const options = { clock, random: systemRandom, telemetry: silent, environment };
  return {
    async identity() {
      const { nodeIdentity } = await import("../providers/aws/index.ts");
      return inTime("metadata", nodeIdentity(options), clock);
    },
    async permissions(settings) {
      const { checkPermissions } = await import("../providers/aws/index.ts");
      const { checks } = await inTime("EC2", checkPermissions(options, permissionSettings(settings)), clock);
      const needed = checks.filter((check) => check.needed);
      const of = (verdict: string) => needed.filter((check) => check.verdict === verdict).map(({ action }) => action);
      return { denied: of("denied"), unknown: of("unknown"), allowed: of("allowed").length };
    },
  };
}

function inTime<Result>(what: string, work: Promise<Result>, clock: Clock): Promise<Result> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(PROBE_LIMIT_MS, () => {
      const detail = `${what} did not answer within ${PROBE_LIMIT_MS / 1000} s`;
      reject(new EnidError("ENID_METADATA_UNREACHABLE", { endpoint: what, detail }));
    });
    work.then(resolve, reject).finally(cancel);
  });
}
