import { EnidError } from "../../src/errors.ts";
import { attachment, pod } from "../manager/harness.ts";
import type { Lab } from "./lab.ts";

/** Longer than any ADD waits. */
const ADD_LIMIT_MS = 60_000;

/**
 * The pods of the node as the runtime has them: each got an address, keeps it while it runs, whatever happens to the
 * daemon, and holds every answer against those of the others.
 */
export class Pods {
  readonly #lab: Lab;
  /** Addresses of the running pods by their number, oldest first. */
  readonly #running = new Map<number, string>();
  /** IPv6 addresses of the dual-stack pods among them. */
  readonly ipv6 = new Map<number, string>();
  #last = 0;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  get running(): ReadonlyMap<number, string> {
    return this.#running;
  }

  get count(): number {
    return this.#running.size;
  }

  /** ADD of `count` new pods at once, then time until each has its answer: addresses, or errors, in order. */
  async add(count: number, over: () => boolean = () => false): Promise<readonly (string | EnidError)[]> {
    const numbers = Array.from({ length: count }, () => ++this.#last);
    const answers = new Map<number, string | EnidError>();
    for (const n of numbers) {
      this.#lab.manager.add({ attachment: attachment(n), pod: pod(n) }).then(
        ({ address, ipv6Address }) => {
          answers.set(n, address);
          this.#given(n, address);
          if (ipv6Address !== undefined) this.#given6(n, ipv6Address);
        },
        (error: unknown) => answers.set(n, error instanceof EnidError ? error : internal(String(error))),
      );
    }
    await this.#lab.advance(ADD_LIMIT_MS, () => answers.size === numbers.length || over());
    return numbers.map((n) => answers.get(n) ?? internal(`ADD of pod ${n} was never answered`));
  }

  /** As `add`; throws when one of them got no address. */
  async run(count: number): Promise<void> {
    for (const answer of await this.add(count)) if (answer instanceof EnidError) throw answer;
  }

  /** DEL of the `count` oldest pods, and time until all are answered. */
  async remove(count: number): Promise<void> {
    const going = [...this.#running.keys()].slice(0, count);
    // The runtime takes the pod down first: from here on its address may be anybody's.
    for (const n of going) {
      this.#running.delete(n);
      this.ipv6.delete(n);
    }
    let open = going.length;
    const removed = going.map((n) => this.#lab.manager.remove(attachment(n)).finally(() => open--));
    await this.#lab.advance(ADD_LIMIT_MS, () => open === 0);
    await Promise.all(removed);
  }

  rebooted(): void {
    this.#running.clear();
    this.ipv6.clear();
  }

  #given(n: number, address: string): void {
    const { problems } = this.#lab;
    for (const [other, taken] of this.#running) {
      if (taken === address) problems.push(`${address} was given to pod ${n} while pod ${other} has it`);
    }
    this.#running.set(n, address);
  }

  #given6(n: number, address: string): void {
    for (const [other, taken] of this.ipv6) {
      if (taken === address) this.#lab.problems.push(`${address} was given to pod ${n} while pod ${other} has it`);
    }
    this.ipv6.set(n, address);
  }
}

function internal(detail: string): EnidError {
  return new EnidError("ENID_INTERNAL", { detail });
}
