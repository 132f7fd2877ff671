import { Counter, Histogram, type Registry } from "prom-client";
import { catalogue } from "../errors.ts";
import { PROMISES } from "../manager/index.ts";
import { BoundedLabel } from "./bounded-label.ts";

/** From a warm lease (under a millisecond) to an ADD that waits for a new interface (tens of seconds). */
const CNI_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];
const EC2_BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const CNI_VERBS: ReadonlySet<string> = new Set(["ADD", "DEL", "CHECK", "STATUS", "VERSION", "GC"]);
const EC2_ACTIONS_LIMIT = 40;
const EC2_CODES_LIMIT = 80;
const EVENTS_LIMIT = 120;

/** What is counted as it happens; everything else is computed from the manager's status at each scrape. */
export interface CallMetrics {
  event(name: string, fields?: Readonly<Record<string, unknown>>): void;
  cloudCall(action: string, code: string, durationMs: number, waitedMs: number): void;
  served(verb: string, outcome: string, durationMs: number): void;
}

/** The events that an unusable configuration file is told with; they have a counter of their own for alerts. */
const CONFIGURATION_REJECTED: ReadonlySet<string> = new Set(["configuration-rejected", "configuration-missing"]);

export function callMetrics(registry: Registry): CallMetrics {
  const registers = [registry];
  const cniDuration = new Histogram({
    name: "enid_cni_duration_seconds",
    help: "Time to serve a CNI verb; outcome is ok or the ENID_ code of the error. Slow or failing ADD: `enid explain POD` names what it waits for.",
    labelNames: ["verb", "outcome"],
    buckets: CNI_BUCKETS_SECONDS,
    registers,
  });
  const ec2Calls = new Counter({
    name: "enid_ec2_calls_total",
    help: "Attempts of EC2 and STS calls by code (ok or EC2's error code). RequestLimitExceeded: the account's bucket is empty; UnauthorizedOperation: `enid check permissions` names the missing statement.",
    labelNames: ["action", "code"],
    registers,
  });
  const ec2Duration = new Histogram({
    name: "enid_ec2_call_duration_seconds",
    help: "Time of one attempt of an EC2 or STS call. Rising for all actions: look at the route to the endpoint before EC2 itself.",
    labelNames: ["action"],
    buckets: EC2_BUCKETS_SECONDS,
    registers,
  });
  const tokenWait = new Histogram({
    name: "enid_ec2_token_wait_seconds",
    help: "Time a call waited for a token of its action before it was sent. Rising: the account is throttled; enid_ec2_rate says how far the node slowed down.",
    labelNames: ["action"],
    buckets: EC2_BUCKETS_SECONDS,
    registers,
  });
  const events = new Counter({
    name: "enid_events_total",
    help: "Events by name; docs/events.md says what each means and `enid status --events` shows the latest.",
    labelNames: ["event"],
    registers,
  });
  const rejected = new Counter({
    name: "enid_configuration_rejected_total",
    help: "Times the configuration file was found invalid or missing and left the settings as they were. `enid validate FILE` names each place to correct.",
    registers,
  });
  const violations = new Counter({
    name: "enid_promise_violations_total",
    help: "Acts that enid refused because they would have broken one of its promises, by its number (docs/architecture.md). Above 0: a bug of enid; report it with the event promise-broken and `enid status --json`.",
    labelNames: ["promise"],
    registers,
  });
  for (const { number } of PROMISES) violations.inc({ promise: String(number) }, 0);
  const actions = new BoundedLabel(EC2_ACTIONS_LIMIT);
  const codes = new BoundedLabel(EC2_CODES_LIMIT);
  const names = new BoundedLabel(EVENTS_LIMIT);
  return {
    event(name, fields) {
      const promise = fields?.promise;
      if (name === "promise-broken" && PROMISES.some(({ number }) => number === promise)) {
        violations.inc({ promise: String(promise) });
      }
      events.inc({ event: names.of(name) });
      if (CONFIGURATION_REJECTED.has(name)) rejected.inc();
    },
    cloudCall(action, code, durationMs, waitedMs) {
      const label = actions.of(action);
      ec2Calls.inc({ action: label, code: codes.of(code) });
      ec2Duration.observe({ action: label }, durationMs / 1000);
      tokenWait.observe({ action: label }, waitedMs / 1000);
    },
    served(verb, outcome, durationMs) {
      const known = outcome === "ok" || Object.hasOwn(catalogue, outcome);
      cniDuration.observe(
        { verb: CNI_VERBS.has(verb) ? verb : "other", outcome: known ? outcome : "other" },
        durationMs / 1000,
      );
    },
  };
}
