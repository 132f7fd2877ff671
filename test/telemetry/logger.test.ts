import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/adapters/index.ts";
import { EnidError } from "../../src/errors.ts";
import { createLogger, type LogLevel } from "../../src/telemetry/index.ts";
import { NOON_MS } from "./status-report.ts";

const clock: Clock = { ...systemClock, nowMs: () => NOON_MS };

function collecting(level: LogLevel = "debug") {
  const lines: string[] = [];
  const logger = createLogger({ clock, level, stream: { write: (line: string) => void lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown> };
}

describe("the log", () => {
  it("writes JSON lines with an ISO time of the injected clock, the level as a word and the fields", () => {
    const { logger, last } = collecting();
    logger.info({ event: "interface-created", interfaceId: "eni-1" }, "created eni-1");
    expect(last()).toEqual({
      level: "info",
      time: "2026-08-01T12:00:00.000Z",
      event: "interface-created",
      interfaceId: "eni-1",
      msg: "created eni-1",
    });
  });

  it("leaves out what is below its level", () => {
    const { logger, lines } = collecting("warn");
    logger.info("quiet");
    logger.warn("loud");
    expect(lines).toHaveLength(1);
  });

  it.each([
    ["a key that says so", { credentials: { accessKeyId: "x" }, nested: { sessionToken: "y" } }],
    ["a whole environment", { env: { PATH: "/bin", SOMETHING: "hunter2" } }],
    ["an access key id in a value", { text: "key AKIAIOSFODNN7EXAMPLE was refused" }],
    ["a temporary access key id as a value", { id: "ASIAIOSFODNN7EXAMPLE" }],
    ["a signed address", { url: "https://ec2/?X-Amz-Signature=hunter2&X-Amz-Security-Token=hunter2%2F" }],
    ["an environment line", { text: "AWS_SECRET_ACCESS_KEY=hunter2hunter2/hunter2" }],
    ["JSON inside of a text", { text: '{"SecretAccessKey":"hunter2/hunter2+hunter2"}' }],
    ["a header", { text: "Authorization: Bearer hunter2hunter2.hunter2" }],
    ["an array of headers", { list: [{ authorization: "hunter2" }] }],
  ])("lets no secret through in %s", (_where, fields) => {
    const { logger, lines } = collecting();
    logger.warn(fields, "look");
    expect(lines[0]).toContain("[redacted]");
    for (const secret of ["hunter2", "IOSFODNN7EXAMPLE", '"x"', '"y"']) expect(lines[0]).not.toContain(secret);
  });

  it("masks secrets in the message and in what a child logger is bound to", () => {
    const { logger, lines } = collecting();
    logger.child({ password: "hunter2" }).info("signed with AKIAIOSFODNN7EXAMPLE");
    expect(lines[0]).not.toContain("hunter2");
    expect(lines[0]).not.toContain("IOSFODNN7EXAMPLE");
  });

  it("keeps what looks similar but is not secret", () => {
    const { logger, last } = collecting();
    logger.info({ clientToken: "0190-intent", subnetId: "subnet-1" }, "ok");
    expect(last()).toMatchObject({ clientToken: "0190-intent", subnetId: "subnet-1" });
  });

  it("reduces an error to known fields: the request that an SDK error carries stays out", () => {
    const { logger, lines, last } = collecting();
    const cause = Object.assign(new Error("denied"), {
      name: "UnauthorizedOperation",
      $metadata: { requestId: "req-1" },
      $response: { request: { headers: { host: "hunter2" } } },
    });
    const values = { action: "AssignPrivateIpAddresses", detail: "denied" };
    logger.error(
      { err: new EnidError("ENID_EC2_UNAUTHORIZED", values, { cause, details: { ec2Code: "x" } }) },
      "failed",
    );
    expect(lines[0]).not.toContain("hunter2");
    expect(last().err).toMatchObject({
      code: "ENID_EC2_UNAUTHORIZED",
      details: { ec2Code: "x" },
      cause: { type: "UnauthorizedOperation", message: "denied", requestId: "req-1" },
    });
  });

  it("bounds what a line can hold: depth, entries, characters and circles", () => {
    const { logger, lines, last } = collecting();
    const circle: Record<string, unknown> = { big: 10n };
    circle.self = circle;
    logger.info({ circle, many: new Array(1_000).fill(1), long: "x".repeat(100_000), set: new Set([1, 2]) }, "big");
    expect(lines[0]?.length).toBeLessThan(6_000);
    expect(last()).toMatchObject({ circle: { big: "10", self: "[circular]" }, set: [1, 2] });
    expect((last().many as unknown[]).at(-1)).toBe("… 900 more");
  });

  it("is flushed to standard error even when the process ends at once", () => {
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const script = `
      import { systemClock } from "./src/adapters/index.ts";
      import { createLogger, standardError } from "./src/telemetry/index.ts";
      const logger = createLogger({ clock: systemClock, level: "info", stream: await standardError(process.argv[1] === "terminal") });
      for (let line = 0; line < 500; line += 1) logger.info({ line }, "written");
      process.exit(7);`;
    for (const kind of ["plain", "terminal"]) {
      const ended = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script, kind], {
        cwd: path.resolve(root),
      });
      expect(ended.status).toBe(7);
      expect(ended.stderr.toString().match(/written/g)).toHaveLength(500);
      expect(ended.stdout.toString()).toBe("");
    }
  });
});
