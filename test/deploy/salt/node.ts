import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { ROOT } from "../../house/source-files.ts";

const run = promisify(execFile);
const PYTHON = join(ROOT, ".enid/python/bin");
const HERE = join(ROOT, "test/deploy/salt");
/** Of one call of Salt; a machine with much else to do takes several seconds. */
const LIMIT_MS = 60_000;

/** A state's result, by the id of the state. */
export interface StateResult {
  readonly result: boolean | null;
  readonly comment: string;
  readonly changes: Readonly<Record<string, unknown>>;
}

/** A node that Salt may change: mounts and a network of its own, stubs in place of systemd and Docker. */
export interface Node {
  /** For what Salt shall find: tarballs. */
  readonly folder: string;
  /** The real `salt-call --local state.apply`, by top.sls. */
  saltCall(pillar: object): Promise<Record<string, StateResult>>;
  /** The same without a start of Salt for each. */
  apply(pillar: object): Promise<Record<string, StateResult>>;
  /** The real `salt-run`, without a master that runs: its exit code and answer. */
  saltRun(args: readonly string[]): Promise<{ readonly code: number; readonly answer: unknown }>;
  call(name: string, args?: readonly unknown[], kwargs?: object): Promise<unknown>;
  /** What a shell on the node prints. */
  shell(script: string): Promise<string>;
  /** What the stubs were told since it was asked last. */
  told(): Promise<string[]>;
  remove(): void;
}

export async function startNode(): Promise<Node> {
  const folder = mkdtempSync(join(tmpdir(), "enid-salt-"));
  const conf = join(folder, "conf");
  mkdirSync(conf);
  mkdirSync(join(folder, "pillar"));
  const options = {
    id: "node-1",
    // What top.sls goes by.
    grains: { enid: "node" },
    root_dir: join(folder, "salt"),
    file_client: "local",
    file_roots: { base: [join(ROOT, "deploy/salt/states"), folder] },
    pillar_roots: { base: [join(folder, "pillar")] },
    enable_fqdns_grains: false,
    log_level: "error",
    log_file: "/dev/null",
  };
  // JSON is YAML.
  writeFileSync(join(conf, "minion"), JSON.stringify(options));
  const { id: _id, grains: _grains, file_client: _client, ...ofMaster } = options;
  writeFileSync(join(conf, "master"), JSON.stringify({ ...ofMaster, user: "root" }));

  const holder = spawn("unshare", ["--mount", "--net", "--kill-child", "--fork", join(HERE, "hold"), folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(createInterface({ input: holder.stdout }), "line"),
    once(holder, "close").then(() => [""]),
  ]);
  const pid = /^ready (\d+)$/.exec(line)?.[1];
  if (pid === undefined) throw new Error("the node's namespaces could not be made");
  const enter = ["--target", pid, "--mount", "--net", "--"];
  const env = {
    ...process.env,
    PATH: `${join(HERE, "stubs")}:${process.env.PATH}`,
    LC_ALL: "C.UTF-8",
    PYTHONWARNINGS: "ignore",
    // enid is started out of its sources some thirty times.
    NODE_COMPILE_CACHE: join(folder, "compiled"),
  };
  const caller = spawn("nsenter", [...enter, join(PYTHON, "python"), join(HERE, "caller.py"), conf], {
    stdio: ["pipe", "pipe", "inherit"],
    env,
  });
  const answers = createInterface({ input: caller.stdout })[Symbol.asyncIterator]();

  const call: Node["call"] = async (name, args = [], kwargs = {}) => {
    caller.stdin.write(`${JSON.stringify({ function: name, args, kwargs })}\n`);
    const answer = await Promise.race([answers.next(), late(name)]);
    if (answer.done === true) throw new Error(`${name}: Salt ended`);
    return JSON.parse(answer.value);
  };
  const shell: Node["shell"] = async (script) => {
    const { stdout } = await run("nsenter", [...enter, "sh", "-euc", script], { env });
    return stdout;
  };
  return {
    folder,
    call,
    shell,
    async saltCall(pillar) {
      const args = [
        ...enter,
        join(PYTHON, "salt-call"),
        "--local",
        "--config-dir",
        conf,
        "--out",
        "json",
        "--retcode-passthrough",
      ];
      const words = ["state.apply", `pillar=${JSON.stringify({ enid: pillar })}`];
      const { stdout } = await run("nsenter", [...args, ...words], { env, timeout: LIMIT_MS });
      return byId(JSON.parse(stdout).local);
    },
    async saltRun(words) {
      const args = [...enter, join(PYTHON, "salt-run"), "--config-dir", conf, "--out", "json", ...words];
      const ended = spawnSync("nsenter", args, {
        env,
        timeout: LIMIT_MS,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
      if (ended.stdout === "") throw new Error(`salt-run ended with ${ended.status}: ${ended.stderr}`);
      return { code: ended.status ?? -1, answer: JSON.parse(ended.stdout) };
    },
    apply: async (pillar) => byId(await call("state.apply", ["enid"], { pillar: { enid: pillar } })),
    async told() {
      const log = await shell("cat /run/stub.log 2>/dev/null || :; rm -f /run/stub.log");
      return log.split("\n").filter((said) => said !== "" && !/ is-(?:active|enabled) /.test(said));
    },
    remove() {
      end(caller);
      end(holder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function byId(answer: unknown): Record<string, StateResult> {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer) || "raised" in answer) {
    throw new Error(`Salt cannot render the states: ${JSON.stringify(answer)}`);
  }
  const entries = Object.values(answer as Record<string, StateResult & { __id__: string; name: string }>);
  const names = entries.map(({ __id__ }) => __id__);
  return Object.fromEntries(
    entries.map(({ __id__, name, result, comment, changes }) => {
      const isAlone = names.indexOf(__id__) === names.lastIndexOf(__id__);
      return [isAlone ? __id__ : `${__id__} ${name}`, { result, comment, changes }];
    }),
  );
}

function end(child: ChildProcess): void {
  child.kill("SIGKILL");
}

async function late(name: string): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, LIMIT_MS).unref());
  throw new Error(`${name}: no answer of Salt within ${LIMIT_MS / 1000} s`);
}
