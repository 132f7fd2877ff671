/**
 * Makes the machine ready for `npm start`, `npm test` or `npm run bench`: the argument names which. Says what it does on
 * standard error, nothing when all is there, and fails with the command to run when it may not do it itself.
 *
 * Plain JavaScript without dependencies for any Node >= 18: it runs before anything is installed.
 */
import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./prepare-lock.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_PACKAGE = join(ROOT, "node_modules", "node");
const NODE = join(NODE_PACKAGE, "bin", "node");
const NODE_MAJOR = 24;
const NPM_MAJOR = 10;
const NATIVE = join(ROOT, "native");
const PLUGIN = join(NATIVE, "bin", "enid-ipam");
const PYTHON_TOOLS = join(ROOT, ".enid", "python");
const PYTHON_TOOLS_LIST = join(ROOT, "scripts", "python-tools.txt");
const PURPOSES = ["start", "test", "test:redis", "bench"];

/** Ten times as fast as importing it. */
const FIND_BOTO3 = "import importlib.util, sys; sys.exit(importlib.util.find_spec('boto3') is None)";
const FIND_YAML = FIND_BOTO3.replace("boto3", "yaml");

/** A command ended badly, or may not be run: the message is complete. */
class Refusal extends Error {}

/** Programs of the system, the packages that bring them, and the purposes that need them. */
const SYSTEM_PROGRAMS = [
  {
    why: "a C compiler, for the CNI plugin native/enid-ipam.c",
    apt: ["gcc", "libc6-dev"],
    dnf: ["gcc", "glibc-static"],
    isNeeded: (purpose) => purpose !== "start" || !pluginIsFresh(),
    isThere: () => onPath(process.env.CC || "cc"),
  },
  {
    why: "musl, of which a release's CNI plugin is made: it starts in half the time",
    apt: ["musl-tools"],
    dnf: ["musl-gcc"],
    isNeeded: (purpose) => (purpose === "bench" || purpose === "test") && !process.env.CC,
    isThere: () => onPath("musl-gcc"),
  },
  {
    why: "ip, for the tests that look at network devices and the benchmark of bursts",
    apt: ["iproute2"],
    dnf: ["iproute"],
    isNeeded: (purpose) => purpose !== "start",
    isThere: () => onPath("ip"),
  },
  {
    why: "the AWS CLI, which the tests let talk to the simulated cloud",
    apt: ["awscli"],
    dnf: ["awscli2"],
    isNeeded: (purpose) => purpose === "test",
    // One found on the PATH may be the shim of a version manager, with nothing behind it.
    isThere: () => isExecutable("/usr/bin/aws"),
  },
  {
    why: "boto3, which the tests let talk to the simulated cloud",
    apt: ["python3-boto3"],
    dnf: ["python3-boto3"],
    isNeeded: (purpose) => purpose === "test",
    isThere: () => run("/usr/bin/python3", ["-c", FIND_BOTO3]).status === 0,
  },
  {
    why: "python3-yaml, with which the tests read the files of deploy/",
    apt: ["python3-yaml"],
    dnf: ["python3-pyyaml"],
    isNeeded: (purpose) => purpose === "test",
    isThere: () => run("/usr/bin/python3", ["-c", FIND_YAML]).status === 0,
  },
  {
    why: "docker-compose, which the tests let read the files of deploy/compose; it needs no Docker for that",
    apt: ["docker-compose"],
    dnf: ["docker-compose"],
    isNeeded: (purpose) => purpose === "test",
    isThere: () => onPath("docker-compose"),
  },
  {
    why: "Python's venv, for the linters of CloudFormation and Salt in which the tests look at cdk/ and deploy/",
    apt: ["python3-venv"],
    dnf: ["python3"],
    isNeeded: (purpose) => purpose === "test" && !pythonToolsAreThere(),
    isThere: () => run("python3", ["-c", "import ensurepip, venv"]).status === 0,
  },
  {
    why: "systemd-analyze, with which the tests verify the units of deploy/",
    apt: ["systemd"],
    dnf: ["systemd"],
    isNeeded: (purpose) => purpose === "test",
    isThere: () => onPath("systemd-analyze"),
  },
  {
    why: "nft, with which host routes set the marks of node ports, and the tests' VPC drops spoofed packets",
    apt: ["nftables"],
    dnf: ["nftables"],
    isNeeded: (purpose) => purpose !== "start",
    isThere: () => onPath("nft") || isExecutable("/usr/sbin/nft"),
  },
  {
    why: "ping, with which the tests reach pods",
    apt: ["iputils-ping"],
    dnf: ["iputils"],
    isNeeded: (purpose) => purpose === "test",
    isThere: () => onPath("ping"),
  },
  {
    why: "BIRD 2, with which the tests announce routes to real neighbours",
    apt: ["bird2"],
    dnf: ["bird"],
    isNeeded: (purpose) => purpose === "test",
    isThere: () => ["bird", "birdc"].every((name) => onPath(name) || isExecutable(join("/usr/sbin", name))),
  },
  {
    why: "Redis, on which the tests run the scripts of the fleet",
    apt: ["redis-server"],
    dnf: ["redis"],
    isNeeded: (purpose) => purpose === "test" || purpose === "test:redis",
    isThere: () => onPath("redis-server") && onPath("redis-cli"),
  },
  {
    why: "Redis' sentinels, which the tests of fail-overs start",
    apt: ["redis-sentinel"],
    dnf: ["redis"],
    isNeeded: (purpose) => purpose === "test:redis",
    isThere: () => onPath("redis-sentinel"),
  },
  {
    why: "the CNI project's plugins: ptp and bridge, which the tests let call enid-ipam, and host-local, which the benchmark measures against",
    apt: ["containernetworking-plugins"],
    dnf: ["containernetworking-plugins"],
    isNeeded: (purpose) => purpose !== "start",
    isThere: () =>
      ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"].some((folder) =>
        ["ptp", "bridge", "host-local"].every((name) => isExecutable(join(folder, name))),
      ),
  },
];

/** In this order, since each needs those before it. */
const STEPS = [
  { isDone: (purpose) => missingPrograms(purpose).length === 0, carryOut: installPrograms },
  { isDone: dependenciesMatchLock, carryOut: installDependencies },
  { isDone: runtimeWorks, carryOut: repairRuntime },
  { isDone: pluginIsFresh, carryOut: buildPlugin },
  { isDone: (purpose) => purpose !== "test" || pythonToolsAreThere(), carryOut: installPythonTools },
];

function main() {
  const purpose = process.argv[2] ?? "start";
  if (!PURPOSES.includes(purpose)) throw new Refusal(`prepare.mjs takes one of ${PURPOSES.join(", ")}, not ${purpose}`);
  checkNpm();
  const isOutstanding = (step) => !step.isDone(purpose);
  if (!STEPS.some(isOutstanding)) return;
  // Asked again inside the lock: a process that was waited for may have done it.
  withLock(join(ROOT, ".enid", "prepare.lock"), say, () => {
    for (const step of STEPS) if (isOutstanding(step)) step.carryOut(purpose);
  });
}

function checkNpm() {
  const version = /^npm\/(\S+)/.exec(process.env.npm_config_user_agent ?? "")?.[1] ?? npm(["--version"]).stdout.trim();
  if (Number.parseInt(version, 10) >= NPM_MAJOR) return;
  throw new Refusal(
    `npm ${version || "(not found)"} is too old: ${NPM_MAJOR} or newer is needed. Run: npm install --global npm@${NPM_MAJOR}`,
  );
}

// Programs of the system

function missingPrograms(purpose) {
  return SYSTEM_PROGRAMS.filter((program) => program.isNeeded(purpose) && !program.isThere());
}

function installPrograms(purpose) {
  const missing = missingPrograms(purpose);
  const reasons = missing.map(({ why, apt }) => `${apt.join(" ")} (${why})`).join("; ");
  const packages = missing.flatMap(({ apt }) => apt);
  const byHand = [
    `  Debian, Ubuntu:        sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`,
    `  Fedora, Amazon Linux:  sudo dnf install -y ${missing.flatMap(({ dnf }) => dnf).join(" ")}`,
  ].join("\n");
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    throw new Refusal(`missing: ${missing.map(({ why }) => why).join("; ")}.\nRun one of:\n${byHand}`);
  }
  say(`installing ${reasons}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const wait = ["-o", "DPkg::Lock::Timeout=300"];
  const update = run("apt-get", ["update", "-qq", ...wait], { env });
  const install = run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...wait, ...packages], { env });
  const still = missingPrograms(purpose);
  if (still.length > 0) {
    const output = lastLines(`${update.output}${install.output}`);
    throw new Refusal(
      `${output}\nstill missing: ${still.map(({ why }) => why).join("; ")}.\nInstall by hand:\n${byHand}`,
    );
  }
}

// Packages of package-lock.json

/** Compares with what npm says it installed; packages for other platforms are optional and may be absent. */
function dependenciesMatchLock() {
  const wanted = packagesOf(join(ROOT, "package-lock.json"));
  const installed = packagesOf(join(ROOT, "node_modules", ".package-lock.json"));
  if (wanted === undefined) throw new Refusal("package-lock.json is missing or broken; check out the repository again");
  if (installed === undefined) return false;
  const isSame = (path) =>
    wanted[path]?.version === installed[path].version && wanted[path]?.integrity === installed[path].integrity;
  const isThere = (path) => path === "" || path in installed || wanted[path].optional === true;
  return Object.keys(installed).every(isSame) && Object.keys(wanted).every(isThere);
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function installDependencies() {
  say("installing the packages of package-lock.json (npm ci)");
  const began = Date.now();
  // Without devDependencies there is no Node 24, whatever NODE_ENV or the user's settings say.
  const result = npm(["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (result.status !== 0) {
    throw new Refusal(`${lastLines(result.output)}\nnpm ci failed; see above, then run: npm ci`);
  }
  say(`installed in ${((Date.now() - began) / 1000).toFixed(0)} s`);
}

// Node 24

function runtimeWorks() {
  return majorOf(NODE) === NODE_MAJOR;
}

/** npm may have been told not to run install scripts, and that of the package `node` fetches the executable. */
function repairRuntime() {
  say(`fetching Node ${NODE_MAJOR}: npm did not run the install script of the package "node"`);
  const result = run(hostNode(), ["installArchSpecificPackage.js"], { cwd: NODE_PACKAGE });
  if (runtimeWorks()) return;
  const candidates = [hostNode(), process.execPath, "node"];
  const other = candidates.map(absolute).find((file) => file !== undefined && majorOf(file) === NODE_MAJOR);
  if (other !== undefined) {
    say(`that executable does not run here; using ${other} instead`);
    mkdirSync(dirname(NODE), { recursive: true });
    rmSync(NODE, { force: true });
    symlinkSync(other, NODE);
    if (runtimeWorks()) return;
  }
  throw new Refusal(
    `${lastLines(result.output)}\nNode ${NODE_MAJOR} could not be installed. Run: npm rebuild node --ignore-scripts=false\n` +
      `or install Node ${NODE_MAJOR} (https://nodejs.org) so that \`node\` on the PATH is it`,
  );
}

function majorOf(node) {
  const version = run(node, ["--version"]).stdout.trim();
  return /^v\d+\./.test(version) ? Number.parseInt(version.slice(1), 10) : undefined;
}

/** The node that runs npm: the one on the PATH may lie in node_modules, which `npm ci` replaces. */
function hostNode() {
  return process.env.npm_node_execpath ?? process.execPath;
}

// The CNI plugin

function pluginIsFresh() {
  if (!isExecutable(PLUGIN)) return false;
  const builtMs = statSync(PLUGIN).mtimeMs;
  const sources = readdirSync(NATIVE, { withFileTypes: true }).filter((entry) => entry.isFile());
  // musl that was installed since then: the status changes at the installation, the content is older.
  const musl = process.env.CC ? undefined : absolute("musl-gcc");
  if (musl !== undefined && lstatSync(musl).ctimeMs > builtMs) return false;
  return sources.every(({ name }) => statSync(join(NATIVE, name)).mtimeMs <= builtMs);
}

function buildPlugin() {
  say("building native/bin/enid-ipam");
  // The script builds nothing when the sources did not change.
  rmSync(PLUGIN, { force: true });
  const result = run("/bin/sh", [join(NATIVE, "build.sh")]);
  if (result.stderr.trim() !== "") process.stderr.write(result.stderr);
  if (result.status !== 0 || !pluginIsFresh()) throw new Refusal("native/enid-ipam.c could not be built; see above");
}

// Linters from PyPI

/** The list as it was installed lies beside the tools. */
function pythonToolsAreThere() {
  try {
    return readFileSync(join(PYTHON_TOOLS, "installed.txt"), "utf8") === readFileSync(PYTHON_TOOLS_LIST, "utf8");
  } catch {
    return false;
  }
}

function installPythonTools() {
  say("installing the linters of scripts/python-tools.txt (cfn-lint, salt)");
  const began = Date.now();
  rmSync(PYTHON_TOOLS, { recursive: true, force: true });
  const made = run("python3", ["-m", "venv", PYTHON_TOOLS]);
  const pip = join(PYTHON_TOOLS, "bin", "pip");
  const args = ["install", "--quiet", "--disable-pip-version-check", "--requirement", PYTHON_TOOLS_LIST];
  const result = made.status === 0 ? run(pip, args) : made;
  if (result.status !== 0) {
    throw new Refusal(`${lastLines(result.output)}\nthe linters could not be installed; see above, then run: npm test`);
  }
  copyFileSync(PYTHON_TOOLS_LIST, join(PYTHON_TOOLS, "installed.txt"));
  say(`installed in ${((Date.now() - began) / 1000).toFixed(0)} s`);
}

// Helpers

function npm(args) {
  const cli = process.env.npm_execpath;
  const isNpm = cli?.endsWith("npm-cli.js") && existsSync(cli);
  return isNpm ? run(hostNode(), [cli, ...args]) : run("npm", args);
}

/** Runs to the end without standard input; never throws: a program that cannot be started has status null. */
function run(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  return {
    status,
    stdout: stdout ?? "",
    stderr: stderr ?? "",
    output: `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`,
  };
}

function lastLines(text) {
  return text.trimEnd().split("\n").slice(-15).join("\n");
}

function onPath(program) {
  return absolute(program) !== undefined;
}

function absolute(program) {
  if (program.includes("/")) return isExecutable(program) ? program : undefined;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function say(message) {
  process.stderr.write(`enid: ${message}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  say(error.message);
  process.exitCode = 1;
}
