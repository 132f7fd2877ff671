import { effectiveSettings, environmentOf, readConfiguration, type Settings } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import {
  type Check,
  checkMachine,
  checkMetadata,
  checkOrder,
  checkPermissionsOf,
  type NodeIdentity,
  type Probes,
} from "./checks.ts";
import { type Disk, sha256Of, sha256OfLink } from "./disk.ts";
import { type HostFacts, readHostFacts } from "./host-facts.ts";
import { chooseHostFiles, type HostFile } from "./host-files.ts";
import {
  CONFIGURATION,
  ENVIRONMENT_FILE,
  ENVIRONMENT_TEXT,
  EXECUTABLE,
  KUBELET_UNITS,
  kubeletDropIn,
  MANIFEST,
  PLUGIN,
  SERVICE_LINK,
  SERVICE_UNIT,
} from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { carryOut, conclude, type FileChange, type Placement, planPlacement, type WantedFile } from "./placing.ts";
import type { Programs } from "./programs.ts";
import { type ServiceStep, startServices } from "./services.ts";
import type { Sources } from "./sources.ts";
import { ENID_SERVICE, KUBELET_DROP_IN } from "./texts.ts";

/** The machine that is installed on. */
export interface Machine {
  readonly disk: Disk;
  /** Undefined: it is a folder (an image, a chroot) and not this machine; nothing of it runs. */
  readonly running: { readonly programs: Programs; readonly probes: Probes; readonly kernel: string } | undefined;
}

export interface InstallOptions {
  /** The CNI configuration, and its name for messages. Undefined: the one that is there stays. */
  readonly configuration: { readonly file: string; readonly bytes: Uint8Array } | undefined;
  readonly sources: Sources;
  readonly dryRun: boolean;
  /** Whether services are told, and enid is started. */
  readonly start: boolean;
  /** Whether the permissions are checked, by some 25 calls of EC2 that change nothing. */
  readonly checksPermissions: boolean;
  readonly version: string;
  readonly commit: string;
}

export interface InstallReport {
  readonly dryRun: boolean;
  /** Whether anything was changed; of a dry run, whether anything would be. */
  readonly changed: boolean;
  readonly version: string;
  readonly files: readonly FileChange[];
  readonly services: readonly ServiceStep[];
  readonly checks: readonly Check[];
  /** What else is to be known. */
  readonly notes: readonly string[];
}

/**
 * Lays down enid on a machine and starts it. Twice in a row it does so once; cut off anywhere, the next run ends it.
 *
 * @throws EnidError ENID_CONFIG_*, ENID_INSTALL_*. But for ENID_INSTALL_PATH and ENID_INSTALL_SERVICE nothing was changed then.
 */
export async function install({ disk, running }: Machine, options: InstallOptions): Promise<InstallReport> {
  const { dryRun, version, commit } = options;
  const before = parseManifest(disk.read(MANIFEST));
  const configuration = readOwnConfiguration(disk, options);
  const isOnAws = environmentOf(configuration.settings) === "aws";
  const facts = readHostFacts(disk);
  const seen = isOnAws && running !== undefined ? await checkMetadata(running.probes) : { checks: [] };
  const primaryMac = (seen.identity as NodeIdentity | undefined)?.primaryMac ?? before?.primaryMac;
  const host = chooseHostFiles(facts, { isOnAws, primaryMac, mainPlugin: configuration.mainPlugin });
  const wanted = wantedFiles(disk, before, options.sources, facts, host.files, configuration.bytes);
  const about = { version, commit, ...(isOnAws && primaryMac !== undefined ? { primaryMac } : {}) };
  const placement = planPlacement(disk, wanted, before, about);

  const isBooted = running !== undefined && disk.hasFolder("/run/systemd/system");
  const notes: string[] = [];
  let services: readonly ServiceStep[] = [];
  if (!dryRun) {
    if (placement.isNeeded) carryOut(disk, placement);
    if (running !== undefined && options.start && isBooted) {
      services = await startServices(running.programs, touched(placement, before));
    } else notes.push(whyNotStarted(running !== undefined, options.start));
    if (placement.isNeeded) conclude(disk, placement);
  }
  const checks = [
    ...configuration.checks,
    checkOrder(facts),
    ...seen.checks,
    ...linkChecks(host, placement.changes, services),
    ...(isOnAws ? await checkMachine(disk, running?.programs, running?.kernel ?? "") : []),
  ];
  if (isOnAws && running !== undefined && seen.checks[0]?.verdict === "ok") {
    const { checksPermissions } = options;
    checks.push(checksPermissions ? await checkPermissionsOf(running.probes, configuration.settings) : UNCHECKED);
  }
  const changed = placement.isNeeded || services.length > 0;
  return { dryRun, changed, version, files: placement.changes, services, checks, notes };
}

const UNCHECKED: Check = {
  name: "permissions",
  verdict: "not checked",
  reason: "EC2 was not asked",
  remedy: "`enid check permissions --config FILE` asks, and so does --checks all.",
};

interface OwnConfiguration {
  /** Undefined: it stays as it is. */
  readonly bytes: Uint8Array | undefined;
  readonly settings: Settings;
  readonly mainPlugin: string;
  readonly checks: readonly Check[];
}

function readOwnConfiguration(disk: Disk, { configuration }: InstallOptions): OwnConfiguration {
  const bytes = configuration?.bytes ?? disk.read(CONFIGURATION);
  const file = configuration?.file ?? CONFIGURATION;
  if (bytes === undefined) {
    throw new EnidError("ENID_INSTALL_CONFIGURATION", { file, detail: "there is none, and --config names none" });
  }
  const read = readConfiguration(bytes, file);
  if (read.form !== "list") {
    const detail = "it is a single network configuration, which runtimes do not take out of a .conflist";
    throw new EnidError("ENID_INSTALL_CONFIGURATION", { file, detail });
  }
  const { plugins } = JSON.parse(new TextDecoder().decode(bytes)) as { plugins: { type?: unknown }[] };
  const notices = read.notices.map(
    ({ message }): Check => ({ name: "configuration", verdict: "advice", reason: message, remedy: "" }),
  );
  return {
    bytes: configuration?.bytes,
    settings: effectiveSettings(read, {}),
    mainPlugin: String(plugins.find(({ type }) => type === "cilium-cni")?.type ?? plugins[0]?.type ?? ""),
    checks:
      notices.length > 0 ? notices : [{ name: "configuration", verdict: "ok", reason: `${file} is valid`, remedy: "" }],
  };
}

/** In the order in which they are laid down: what others find first needs the rest. */
function wantedFiles(
  disk: Disk,
  before: Manifest | undefined,
  { executable, plugin }: Sources,
  facts: HostFacts,
  hostFiles: readonly HostFile[],
  configuration: Uint8Array | undefined,
): WantedFile[] {
  const text = (path: string, content: string | Uint8Array, rest: Partial<WantedFile> = {}): WantedFile => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return { path, contents: { bytes }, sha256: sha256Of(bytes), mode: 0o644, others: "replaced", ...rest };
  };
  const program = (path: string, { file, sha256 }: { file: string; sha256: string }): WantedFile => {
    return { path, contents: { from: file }, sha256, mode: 0o755, others: "replaced", keepsPrevious: true };
  };
  /** One that is there and known, and of which this run brings no new one. */
  const asItIs = (path: string): WantedFile[] => {
    const known = before?.files[path];
    return known === undefined
      ? []
      : [{ path, contents: { of: path }, sha256: known.sha256, mode: known.mode, others: "left", once: true }];
  };
  if (plugin === undefined && disk.look(PLUGIN)?.kind !== "file") {
    const detail = "none lies beside the executable; name it with --plugin";
    throw new EnidError("ENID_INSTALL_SOURCE", { what: "enid-ipam", file: `${executable.file}-ipam`, detail });
  }
  return [
    program(EXECUTABLE, executable),
    ...(plugin === undefined ? asItIs(PLUGIN) : [program(PLUGIN, plugin)]),
    ...hostFiles.map((file) => text(file.path, file.text, { others: "left" })),
    text(ENVIRONMENT_FILE, ENVIRONMENT_TEXT, { mode: 0o600, once: true }),
    text(SERVICE_UNIT, ENID_SERVICE),
    {
      path: SERVICE_LINK.path,
      contents: { link: SERVICE_LINK.target },
      sha256: sha256OfLink(SERVICE_LINK.target),
      mode: 0o777,
      others: "replaced",
    },
    text(kubeletDropIn(KUBELET_UNITS.kubelet), KUBELET_DROP_IN),
    ...(facts.hasSnapKubelet ? [text(kubeletDropIn(KUBELET_UNITS.snap), KUBELET_DROP_IN)] : []),
    ...(configuration === undefined ? asItIs(CONFIGURATION) : [text(CONFIGURATION, configuration)]),
  ];
}

/** What services must take up: what this run changed, and after one that was cut off, everything. */
function touched({ changes, manifest }: Placement, before: Manifest | undefined): readonly string[] {
  if (before?.complete === false) return Object.keys(manifest.files);
  return changes.filter(({ action }) => !["in place", "left", "abandoned"].includes(action)).map(({ path }) => path);
}

function whyNotStarted(isRunning: boolean, start: boolean): string {
  if (!isRunning) return "nothing was started: enid starts when the machine boots";
  if (!start)
    return "nothing was started: systemctl daemon-reload && systemctl start enid; else enid starts at the next boot";
  return "nothing was started: systemd does not run here";
}

function linkChecks(
  { files, checks }: { readonly files: readonly HostFile[]; readonly checks: readonly Check[] },
  changes: readonly FileChange[],
  services: readonly ServiceStep[],
): readonly Check[] {
  const name = "link-management";
  const left = files.filter(({ path }) => changes.some((one) => one.path === path && one.action === "left"));
  const advices: Check[] = [
    ...checks,
    ...left.map(
      ({ path }): Check => ({
        name,
        verdict: "advice",
        reason: `${path} is not enid's, or was changed, and stays`,
        remedy: "Compare it with share/deploy/host of the release; docs/cilium.md says what it is for.",
      }),
    ),
    ...services
      .filter(({ failed }) => failed !== "")
      .map(
        ({ command, failed }): Check => ({
          name,
          verdict: "advice",
          reason: `${command}: ${failed}`,
          remedy: "The file is in place and counts from the next boot on.",
        }),
      ),
  ];
  if (advices.length > 0) return advices;
  const reason =
    files.length === 0 ? "nothing here configures interfaces for pods" : files.map(({ path }) => path).join(", ");
  return [{ name, verdict: "ok", reason, remedy: "" }];
}
