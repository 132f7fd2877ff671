import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { AgentCommand, AgentReply, StreamProgress } from "./agent-protocol.ts";
import { until } from "./commands.ts";
import type { Namespace } from "./namespace.ts";

const AGENT = join(import.meta.dirname, "agent.ts");
const EXCHANGE_BYTES = 100_000;
/** An agent starts, a command of it ends. */
const AGENT_LIMIT_MS = 30_000;
const STREAM_STEP = 20;

/** A TCP connection on which messages flow without pause. */
export interface Stream {
  /** Resolves once so many more messages have come back; fails when the connection breaks. */
  flows(while_: string): Promise<void>;
  end(): Promise<void>;
}

/** Something with addresses in a namespace of its own that speaks TCP: a pod, a node, the outside. */
export class Host {
  readonly label: string;
  readonly namespace: Namespace;
  readonly addresses: readonly string[];
  readonly #agent: ChildProcess;
  readonly #pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #next = 0;

  private constructor(label: string, namespace: Namespace, addresses: readonly string[]) {
    this.label = label;
    this.namespace = namespace;
    this.addresses = addresses;
    this.#agent = namespace.spawn(process.execPath, ["--disable-warning=ExperimentalWarning", AGENT], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#agent.stdin?.on("error", () => {});
    this.#agent.once("exit", (code, signal) => {
      for (const { reject } of this.#pending.values())
        reject(new Error(`the agent of ${label} ended: ${code ?? signal}`));
      this.#pending.clear();
    });
  }

  /** Resolves once it listens. */
  static async start(label: string, namespace: Namespace, addresses: readonly string[]): Promise<Host> {
    const host = new Host(label, namespace, addresses);
    const listening = host.#reply(0);
    const { stdout } = host.#agent;
    if (stdout === null) throw new Error("the agent has no output");
    createInterface({ input: stdout }).on("line", (line) => host.#hear(JSON.parse(line) as AgentReply));
    await listening;
    return host;
  }

  get address(): string {
    return this.addresses[0] ?? "";
  }

  /**
   * A ping and a TCP exchange arrive, and the other side sees this one's own address unless `anySource`. Tried again until
   * the limit.
   */
  async reaches(other: Host, { anySource = false, limitMs = 20_000 } = {}): Promise<void> {
    const families = other.addresses.map((address) => ({
      address,
      own: this.addresses.find((own) => own.includes(":") === address.includes(":")),
    }));
    for (const { address, own } of families.filter((family) => family.own !== undefined)) {
      const way = `${this.label} (${own}) -> ${other.label} (${address})`;
      await until(`ping ${way}`, () => this.namespace.pings(address), limitMs);
      const seenAs = await until(`TCP ${way}`, () => this.exchange(address), limitMs);
      if (seenAs !== own && !anySource) throw new Error(`TCP ${way}: ${other.label} saw it come from ${seenAs}`);
    }
  }

  /** The address that the other side saw. */
  exchange(address: string): Promise<string> {
    return this.#ask<string>({ kind: "exchange", host: address, bytes: EXCHANGE_BYTES });
  }

  /** To its first address; `last`: to its last one, which is IPv6 where there is IPv6. */
  async streamTo(other: Host, { last = false } = {}): Promise<Stream> {
    const address = (last ? other.addresses.at(-1) : other.addresses[0]) ?? "";
    const way = `${this.label} -> ${other.label} (${address})`;
    const stream = this.#next + 1;
    await this.#ask({ kind: "stream", host: address });
    const progress = () => this.#ask<StreamProgress>({ kind: "progress", stream });
    const count = async () => {
      const { echoed, brokenBy } = await progress();
      return brokenBy === "" ? echoed : `it broke: ${brokenBy}`;
    };
    return {
      flows: async (while_) => {
        const before = await count();
        const arrived = await until(`${STREAM_STEP} more messages ${way} ${while_}`, async () => {
          const now = await count();
          return typeof now === "string" || typeof before === "string" ? String(now) : now >= before + STREAM_STEP;
        });
        if (arrived !== true) throw new Error(`TCP ${way} ${while_}: ${arrived}`);
      },
      end: async () => void (await this.#ask({ kind: "end", stream })),
    };
  }

  #ask<Value>(command: AgentCommand): Promise<Value> {
    const id = ++this.#next;
    const reply = this.#reply(id) as Promise<Value>;
    this.#agent.stdin?.write(`${JSON.stringify({ id, command })}\n`);
    return reply;
  }

  #reply(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`the agent of ${this.label} did not answer within ${AGENT_LIMIT_MS} ms`));
      }, AGENT_LIMIT_MS);
      late.unref();
      const over = () => clearTimeout(late);
      this.#pending.set(id, {
        resolve: (value) => {
          over();
          resolve(value);
        },
        reject: (error) => {
          over();
          reject(error);
        },
      });
    });
  }

  #hear({ id, value, error }: AgentReply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new Error(`${this.label}: ${error}`));
  }
}
