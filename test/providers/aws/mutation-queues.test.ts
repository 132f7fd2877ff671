import { describe, expect, it } from "vitest";
import { MutationQueues } from "../../../src/providers/aws/mutation-queues.ts";
import { rejection } from "./support.ts";

/** Calls that end when told, and remember how many ran at once. */
class Calls {
  readonly running = new Map<string, () => void>();
  readonly started: string[] = [];
  most = 0;

  call(name: string): () => Promise<string> {
    return () => {
      this.started.push(name);
      return new Promise((resolve) => {
        this.running.set(name, () => {
          this.running.delete(name);
          resolve(name);
        });
        this.most = Math.max(this.most, this.running.size);
      });
    };
  }

  /** Ends calls one by one, in the order of their start, until none is left. */
  async drain(): Promise<void> {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      const end = this.running.values().next().value;
      end?.();
      await new Promise((resolve) => setImmediate(resolve));
      if (end === undefined && this.running.size === 0) return;
    }
    throw new Error("calls kept coming");
  }
}

describe("the turns of mutating calls", () => {
  it("come one at a time for one interface, in order", async () => {
    const queues = new MutationQueues(10);
    const calls = new Calls();
    const all = ["a1", "a2", "a3"].map((name) => queues.run("a", calls.call(name)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.started).toEqual(["a1"]);
    await calls.drain();
    expect(await Promise.all(all)).toEqual(["a1", "a2", "a3"]);
    expect(calls.most).toBe(1);
  });

  it("are limited over all interfaces", async () => {
    const queues = new MutationQueues(4);
    const calls = new Calls();
    const all = Array.from({ length: 12 }, (_, index) => queues.run(`eni-${index}`, calls.call(`c${index}`)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.running.size).toBe(4);
    await calls.drain();
    expect(await Promise.all(all)).toHaveLength(12);
    expect(calls.most).toBe(4);
  });

  it("go on after a call that fails, and forget interfaces at rest", async () => {
    const queues = new MutationQueues(2);
    const failing = queues.run("a", () => Promise.reject(new Error("no")));
    const next = queues.run("a", async () => "yes");
    expect(String(await rejection(failing))).toContain("no");
    expect(await next).toBe("yes");
    expect(queues.busy).toBe(0);
  });

  it("never begin for a call that is cancelled while it waits", async () => {
    const queues = new MutationQueues(1);
    const calls = new Calls();
    const stop = new AbortController();
    const first = queues.run("a", calls.call("first"));
    const waiting = [
      rejection(queues.run("a", calls.call("same interface"), stop.signal)),
      rejection(queues.run("b", calls.call("other interface"), stop.signal)),
    ];
    stop.abort(new Error("stop"));
    for (const error of await Promise.all(waiting)) expect(String(error)).toContain("stop");
    await calls.drain();
    expect(await first).toBe("first");
    expect(calls.started).toEqual(["first"]);
    expect(queues.busy).toBe(0);
  });

  it("leave a call alone that runs already when it is cancelled", async () => {
    const queues = new MutationQueues(1);
    const calls = new Calls();
    const stop = new AbortController();
    const running = queues.run("a", calls.call("first"), stop.signal);
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error("stop"));
    const next = queues.run("a", calls.call("second"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.started).toEqual(["first"]);
    await calls.drain();
    expect(await Promise.all([running, next])).toEqual(["first", "second"]);
    expect(calls.most).toBe(1);
  });
});
