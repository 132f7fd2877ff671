import { readFileSync } from "node:fs";
import fastify from "fastify";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../src/adapters/index.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { createLogger, createTelemetry, EVENTS_KEPT, healthRoutes, metricsTable } from "../../src/telemetry/index.ts";
import { NOON_MS, statusReport } from "./status-report.ts";

const clock: Clock = { ...systemClock, nowMs: () => NOON_MS };

function telemetryWith(status?: StatusReport, loopAgeMs = 1_000) {
  const lines: string[] = [];
  const logger = createLogger({ clock, level: "debug", stream: { write: (line: string) => void lines.push(line) } });
  const telemetry = createTelemetry({ clock, logger, version: "1.2.3" });
  if (status !== undefined) telemetry.watch({ status: () => status, loopAgeMs: () => loopAgeMs });
  return { telemetry, lines };
}

/** The value of one sample, or undefined when there is none. */
function sample(text: string, name: string): number | undefined {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

describe("telemetry", () => {
  it("makes one log line, one count and one ring entry of an event", async () => {
    const { telemetry, lines } = telemetryWith();
    telemetry.event({ name: "interface-created", level: "info", message: "created eni-1", fields: { id: "eni-1" } });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "info", event: "interface-created", id: "eni-1" });
    expect(sample(await telemetry.scrape(), 'enid_events_total{event="interface-created"}')).toBe(1);
    expect(telemetry.recent(10)).toEqual([
      { name: "interface-created", level: "info", message: "created eni-1", fields: { id: "eni-1" }, atMs: NOON_MS },
    ]);
  });

  it("keeps the latest events, oldest first, and none of level debug", () => {
    const { telemetry } = telemetryWith();
    telemetry.event({ name: "detail", level: "debug", message: "not kept" });
    for (let index = 0; index < EVENTS_KEPT + 10; index += 1) {
      telemetry.event({ name: "counted", level: "info", message: String(index) });
    }
    expect(telemetry.recent(3).map((event) => event.message)).toEqual(["519", "520", "521"]);
    expect(telemetry.recent(10_000)).toHaveLength(EVENTS_KEPT);
    expect(telemetry.recent(10_000)[0]?.message).toBe("10");
    expect(telemetry.recent(0)).toEqual([]);
  });

  it("counts rejected and missing configurations apart from other events", async () => {
    const { telemetry } = telemetryWith();
    expect(sample(await telemetry.scrape(), "enid_configuration_rejected_total")).toBe(0);
    telemetry.event({ name: "configuration-rejected", level: "error", message: "broken" });
    telemetry.event({ name: "configuration-missing", level: "error", message: "gone" });
    expect(sample(await telemetry.scrape(), "enid_configuration_rejected_total")).toBe(2);
  });

  it("counts broken promises by their number, all present from the start, and no other", async () => {
    const { telemetry } = telemetryWith();
    const count = async (promise: number) =>
      sample(await telemetry.scrape(), `enid_promise_violations_total{promise="${promise}"}`);
    for (let promise = 1; promise <= 12; promise++) expect(await count(promise)).toBe(0);
    telemetry.event({ name: "promise-broken", level: "error", message: "m", fields: { promise: 4 } });
    telemetry.event({ name: "promise-broken", level: "error", message: "m", fields: { promise: 13 } });
    telemetry.event({ name: "step-refused", level: "error", message: "m", fields: { promise: 4 } });
    expect([await count(4), await count(5), await count(13)]).toEqual([1, 0, undefined]);
  });

  it("counts cloud calls by action and code and logs the failed ones with their request id", async () => {
    const { telemetry, lines } = telemetryWith();
    telemetry.cloudCall({ action: "CreateTags", code: "ok", durationMs: 120, requestId: "r1" });
    telemetry.cloudCall({ action: "CreateTags", code: "RequestLimitExceeded", durationMs: 80, requestId: "r2" });
    const text = await telemetry.scrape();
    expect(sample(text, 'enid_ec2_calls_total{action="CreateTags",code="ok"}')).toBe(1);
    expect(sample(text, 'enid_ec2_calls_total{action="CreateTags",code="RequestLimitExceeded"}')).toBe(1);
    expect(sample(text, 'enid_ec2_call_duration_seconds_count{action="CreateTags"}')).toBe(2);
    expect(sample(text, 'enid_ec2_call_duration_seconds_sum{action="CreateTags"}')).toBeCloseTo(0.2);
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(["debug", "warn"]);
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ requestId: "r2", code: "RequestLimitExceeded" });
  });

  it("keeps labels bounded whatever comes from outside", async () => {
    const { telemetry } = telemetryWith();
    for (let index = 0; index < 500; index += 1) {
      telemetry.cloudCall({ action: "Describe", code: `Code${index}`, durationMs: 1, requestId: "" });
      telemetry.event({ name: `event-${index}`, level: "debug", message: "" });
      telemetry.served(`VERB${index}`, `OUTCOME${index}`, 1);
    }
    const text = await telemetry.scrape();
    expect(text.match(/^enid_ec2_calls_total\{/gm)?.length).toBe(81);
    expect(text.match(/^enid_events_total\{/gm)?.length).toBe(121);
    expect(sample(text, 'enid_cni_duration_seconds_count{verb="other",outcome="other"}')).toBe(500);
  });

  it("measures served verbs in seconds by verb and outcome", async () => {
    const { telemetry } = telemetryWith();
    telemetry.served("ADD", "ok", 0.4);
    telemetry.served("ADD", "ENID_NO_ADDRESS", 20_000);
    const text = await telemetry.scrape();
    expect(sample(text, 'enid_cni_duration_seconds_bucket{le="0.0005",verb="ADD",outcome="ok"}')).toBe(1);
    expect(sample(text, 'enid_cni_duration_seconds_sum{verb="ADD",outcome="ENID_NO_ADDRESS"}')).toBe(20);
  });

  it("computes the gauges from the status at each scrape", async () => {
    let status = statusReport({
      waiting: [
        {
          pod: { namespace: "shop", name: "cart-0", uid: "" },
          attachment: { network: "cilium", containerId: "c1", interfaceName: "eth0" },
          sinceMs: NOON_MS - 4_000,
          deadlineMs: NOON_MS + 16_000,
        },
      ],
      degraded: [
        {
          name: "ec2-throttled",
          sinceMs: NOON_MS,
          error: { code: "ENID_EC2_THROTTLED", message: "throttled", remedy: "wait" },
        },
      ],
    });
    const { telemetry } = telemetryWith();
    telemetry.watch({ status: () => status, loopAgeMs: () => 1_500 });
    const text = await telemetry.scrape();
    expect(sample(text, 'enid_addresses{state="free",family="ipv4"}')).toBe(8);
    expect(sample(text, 'enid_interface_addresses{interface="eni-b",subnet="subnet-b",state="leased"}')).toBe(1);
    expect(sample(text, 'enid_subnet_free_addresses{subnet="subnet-b"}')).toBe(3);
    expect(sample(text, "enid_capacity_addresses")).toBe(27);
    expect(sample(text, 'enid_watermark_addresses{watermark="pre-allocate"}')).toBe(8);
    expect(sample(text, "enid_pods_waiting")).toBe(1);
    expect(sample(text, "enid_pod_longest_wait_seconds")).toBe(4);
    expect(sample(text, 'enid_degraded{state="ec2-throttled"}')).toBe(1);
    expect(sample(text, "enid_configuration_valid")).toBe(1);
    expect(sample(text, 'enid_setting_overridden{setting="pre-allocate"}')).toBe(1);
    expect(sample(text, 'enid_setting_overridden{setting="min-allocate"}')).toBeUndefined();
    expect(sample(text, "enid_state_transactions_total")).toBe(31);
    expect(sample(text, 'enid_observation_age_seconds{source="cloud"}')).toBe(600);
    expect(sample(text, "enid_loop_age_seconds")).toBe(1.5);
    expect(sample(text, "enid_ready")).toBe(1);
    expect(text).toContain('enid_build_info{version="1.2.3",node_version="v24.');

    const before = status;
    status = statusReport({
      ready: false,
      interfaces: before.interfaces.slice(0, 1),
      configuration: { ...before.configuration, source: "last-valid" },
      store: { ...before.store, transactions: 32 },
    });
    const later = await telemetry.scrape();
    expect(later).not.toContain("eni-b");
    expect(later).not.toContain("enid_degraded{");
    expect(sample(later, "enid_configuration_valid")).toBe(0);
    expect(sample(later, "enid_state_transactions_total")).toBe(32);
    expect(sample(later, "enid_pod_longest_wait_seconds")).toBe(0);
    expect(sample(later, "enid_ready")).toBe(0);
  });

  it("counts both families, prefixes, what is lost and what was given back", async () => {
    const { pool, subnets } = statusReport();
    const fragmented = subnets.slice(0, 1).map((subnet) => ({ ...subnet, prefixesBlockedUntilMs: NOON_MS + 1 }));
    const ipv6 = { total: 2 * 2 ** 48, free: 2 * 2 ** 48 - 5, leased: 3, cooling: 2, releasing: 0 };
    const pod = { namespace: "shop", name: "cart-0", uid: "" };
    let status = statusReport({
      pool: { ...pool, ipv6, prefixes: 4, freeInFreeBlocks: 32, excess: 16 },
      lost: [{ address: "10.0.1.7", pod, sinceMs: NOON_MS }],
      givenBack: { addresses: 33, interfaces: 2 },
      orphans: { leases: [{ address: "10.0.1.8", pod, sinceMs: NOON_MS, because: "sandbox-gone" }], released: 3 },
      subnets: [...fragmented, ...subnets.slice(1)],
    });
    const { telemetry } = telemetryWith();
    telemetry.watch({ status: () => status, loopAgeMs: () => 0 });
    const text = await telemetry.scrape();
    expect(sample(text, 'enid_addresses{state="leased",family="ipv6"}')).toBe(3);
    expect(sample(text, 'enid_addresses{state="cooling",family="ipv6"}')).toBe(2);
    expect(sample(text, 'enid_addresses{state="free",family="ipv6"}')).toBeUndefined();
    expect(sample(text, 'enid_prefixes{family="ipv4"}')).toBe(4);
    expect(sample(text, 'enid_prefixes{family="ipv6"}')).toBe(2);
    expect(sample(text, "enid_free_block_addresses")).toBe(32);
    expect(sample(text, "enid_excess_addresses")).toBe(16);
    expect(sample(text, "enid_lost_addresses")).toBe(1);
    expect(sample(text, "enid_orphaned_leases")).toBe(1);
    expect(sample(text, "enid_orphaned_leases_released_total")).toBe(3);
    expect(sample(text, "enid_given_back_addresses_total")).toBe(33);
    expect(sample(text, "enid_given_back_interfaces_total")).toBe(2);
    expect(sample(text, 'enid_subnet_fragmented{subnet="subnet-a"}')).toBe(1);
    expect(sample(text, 'enid_subnet_fragmented{subnet="subnet-b"}')).toBe(0);

    status = statusReport();
    const later = await telemetry.scrape();
    expect(sample(later, 'enid_addresses{state="leased",family="ipv6"}')).toBe(0);
    expect(sample(later, 'enid_prefixes{family="ipv6"}')).toBe(0);
    expect(sample(later, "enid_lost_addresses")).toBe(0);
    expect(sample(later, "enid_orphaned_leases")).toBe(0);
    expect(sample(later, "enid_excess_addresses")).toBe(0);
  });

  it("is described completely by docs/metrics.md", () => {
    const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
    const table = metricsTable(telemetryWith().telemetry.registry);
    expect(table.split("\n").length).toBeGreaterThan(30);
    expect(page).toContain(`\n${table}\n`);
  });

  it("names every metric enid_* or as Prometheus clients do, in base units", () => {
    for (const line of metricsTable(telemetryWith().telemetry.registry).split("\n").slice(2)) {
      const [, name = "", type, labels, help = ""] = line.split("|").map((cell) => cell.trim().replaceAll("`", ""));
      expect(name).toMatch(/^(enid|process|nodejs)_[a-z_0-9]+$/);
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb)(_|$)/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      expect(help.length).toBeGreaterThan(40);
      expect(labels).not.toMatch(/pod|container|address/);
    }
  });
});

describe("the health routes", () => {
  async function get(path: string, status?: StatusReport, loopAgeMs?: number) {
    const server = fastify();
    onTestFinished(() => server.close());
    await server.register(healthRoutes(telemetryWith(status, loopAgeMs).telemetry));
    const answer = await server.inject({ method: "GET", url: path });
    return { code: answer.statusCode, type: answer.headers["content-type"], body: answer.body };
  }

  it("/healthz is alive before the manager runs and while its loop comes round", async () => {
    expect((await get("/healthz")).code).toBe(200);
    expect((await get("/healthz", statusReport(), 60_000)).code).toBe(200);
  });

  it("/healthz says 503 and why when the loop is stuck", async () => {
    const { code, body } = await get("/healthz", statusReport(), 75_000);
    expect(code).toBe(503);
    expect(JSON.parse(body)).toEqual({
      alive: false,
      loopAgeMs: 75_000,
      reason: "the manager's loop has not come round for 75 s",
    });
  });

  it("/healthz does not mind that a node is not ready: a restart would not help", async () => {
    expect((await get("/healthz", statusReport({ ready: false, phase: "growing" }))).code).toBe(200);
  });

  it("/readyz says 200 only when ready, else what it waits for and what is degraded", async () => {
    expect((await get("/readyz", statusReport())).code).toBe(200);
    expect((await get("/readyz")).code).toBe(503);
    const degraded = [
      {
        name: "no-subnet",
        sinceMs: NOON_MS,
        error: { code: "ENID_SUBNET_NO_MATCH" as const, message: "no subnet matches", remedy: "Tag one." },
      },
    ];
    const waiting = statusReport({ ready: false, phase: "growing", waitingFor: "an allowed subnet", degraded });
    const { code, body } = await get("/readyz", waiting);
    expect(code).toBe(503);
    expect(JSON.parse(body)).toEqual({
      ready: false,
      phase: "growing",
      waitingFor: "an allowed subnet",
      degraded: [{ name: "no-subnet", code: "ENID_SUBNET_NO_MATCH", message: "no subnet matches", remedy: "Tag one." }],
    });
  });

  it("/metrics answers in Prometheus' text format", async () => {
    const { code, type, body } = await get("/metrics", statusReport());
    expect(code).toBe(200);
    expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(sample(body, 'enid_addresses{state="leased",family="ipv4"}')).toBe(9);
  });
});
