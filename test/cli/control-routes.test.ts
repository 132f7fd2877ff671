import http from "node:http";
import { createServer } from "node:net";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { daemonClient } from "../../src/cli/client.ts";
import type { DaemonStatus } from "../../src/cli/control-routes.ts";
import type { EnidError } from "../../src/errors.ts";
import type { Explanation, PlanReport } from "../../src/manager/index.ts";
import { PLAN, startFakeDaemon, temporaryFolder } from "./fake-daemon.ts";

async function client() {
  const { socket, manager } = await startFakeDaemon();
  return { daemon: daemonClient(socket, systemClock), manager, socket };
}

/** The whole HTTP exchange, for what the client hides. */
function raw(socketPath: string, method: string, target: string, body = ""): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === "" ? {} : { "content-type": "application/json" };
    const request = http.request({ socketPath, method, path: target, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function failure(promise: Promise<unknown>): Promise<EnidError> {
  return promise.then(
    () => Promise.reject(new Error("did not fail")),
    (error: EnidError) => error,
  );
}

describe("the control routes", () => {
  it("tell the status with the version", async () => {
    const { daemon, manager } = await client();
    const status = await daemon.request<DaemonStatus>("GET", "/v1/status");
    expect(status).toEqual(JSON.parse(JSON.stringify({ version: "9.9.9", ...manager.report })));
  });

  it("plan with so many more pods waiting", async () => {
    const { daemon } = await client();
    expect(await daemon.request<PlanReport>("GET", "/v1/plan?waiting=25")).toEqual({
      plan: PLAN.plan,
      calls: PLAN.calls,
      waiting: 25,
    });
  });

  it.each(["-1", "1.5", "x", "10001", ""])("refuse to plan for %j pods", async (waiting) => {
    const { daemon } = await client();
    const error = await failure(daemon.request("GET", `/v1/plan?waiting=${waiting}`));
    expect(error.code).toBe("ENID_USAGE");
    expect(error.message).toContain("allowed is a whole number from 0 to 10000");
  });

  it("explain a pod whose name has a slash, and a name of any length", async () => {
    const { daemon } = await client();
    const explained = await daemon.request<Explanation>("GET", `/v1/explain/${encodeURIComponent("shop/cart-0")}`);
    expect(explained.answer).toBe("shop/cart-0 has 10.0.1.7 since its ADD.");
    const longName = "n".repeat(63).concat("/", "p".repeat(253));
    const error = await failure(daemon.request("GET", `/v1/explain/${encodeURIComponent(longName)}`));
    expect(error.code).toBe("ENID_NOTHING_KNOWN");
    expect(error.values.subject).toBe(longName);
  });

  it("carry an error of the manager with code, values, message and remedy", async () => {
    const { daemon, socket } = await client();
    const error = await failure(daemon.request("PUT", "/v1/overrides", { assignment: "min-allocate=x" }));
    expect(error.toJSON()).toEqual({
      code: "ENID_SETTING_INVALID",
      message: "setting min-allocate cannot be x: a whole number",
      remedy: "Nothing was changed; give an allowed value.",
    });
    expect((await raw(socket, "GET", "/v1/explain/nobody")).status).toBe(404);
    expect((await raw(socket, "PUT", "/v1/overrides", '{"assignment":"min-allocate=x"}')).status).toBe(400);
  });

  it("set and take back overrides", async () => {
    const { daemon, manager } = await client();
    await daemon.request("PUT", "/v1/overrides", { assignment: "pre-allocate=16" });
    await daemon.request("DELETE", "/v1/overrides/pre-allocate");
    expect(manager.told).toEqual(["set pre-allocate=16", "unset pre-allocate"]);
  });

  it.each(["{}", "null", '{"assignment": 7}', "{broken", `"${"x".repeat(70_000)}"`])(
    "refuse the body %.20s without asking the manager",
    async (body) => {
      const { socket, manager } = await client();
      const answer = await raw(socket, "PUT", "/v1/overrides", body);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body).error.code).toBe("ENID_USAGE");
      expect(manager.told).toEqual([]);
    },
  );

  it("list leases and the latest events", async () => {
    const { daemon } = await client();
    const { leases } = await daemon.request<{ leases: { address: string }[] }>("GET", "/v1/leases");
    expect(leases.map((lease) => lease.address)).toEqual(["10.0.1.7"]);
    const { events } = await daemon.request<{ events: { name: string }[] }>("GET", "/v1/events?limit=1");
    expect(events.map((event) => event.name)).toEqual(["started"]);
    expect((await failure(daemon.request("GET", "/v1/events?limit=513"))).code).toBe("ENID_USAGE");
  });
});

describe("the client", () => {
  it("says that the socket does not exist", async () => {
    const socket = path.join(await temporaryFolder(), "none.sock");
    const error = await failure(daemonClient(socket, systemClock).request("GET", "/v1/status"));
    expect(error.code).toBe("ENID_DAEMON_UNREACHABLE");
    expect(error.message).toBe(`no enid daemon answers on ${socket}: the socket does not exist`);
  });

  it.each([
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", "its answer is not JSON"],
    ["HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", "it answers with status 500"],
    ["SSH-2.0-OpenSSH\r\n", "Parse Error"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "aborted"],
  ])("says that what answers is not enid: %j", async (answer, detail) => {
    const socket = path.join(await temporaryFolder(), "strange.sock");
    const server = createServer((connection) => connection.once("data", () => connection.end(answer)));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    onTestFinished(() => void server.close());
    const error = await failure(daemonClient(socket, systemClock).request("GET", "/v1/status"));
    expect(error.code).toBe("ENID_DAEMON_UNREACHABLE");
    expect(error.message).toContain(detail);
  });

  it("gives up on a daemon that accepts and does not answer", async () => {
    const socket = path.join(await temporaryFolder(), "silent.sock");
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    onTestFinished(() => void server.close());
    const hasty = {
      ...systemClock,
      after: (_delayMs: number, callback: () => void) => systemClock.after(20, callback),
    };
    const error = await failure(daemonClient(socket, hasty).request("GET", "/v1/status"));
    expect(error.message).toBe(`no enid daemon answers on ${socket}: no answer within 10 s`);
  });
});
