import { expect } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { OTHER_SUBNET } from "./cloud.ts";
import { type Call, REACTIONS, type Row, reactionTo } from "./errors.ts";
import { Lab } from "./lab.ts";

const HOUR_MS = 3_600_000;
/** Interfaces that an hour of refused attaches may cost, each made and deleted again. */
const CREATES_PER_HOUR = 12;

export function titleOf({ code, message, call, class: className }: Row): string {
  return `${call}: ${code} "${message.slice(0, 48)}" is ${className}`;
}

/** A node whose next growth is that call: one interface with free slots for an assign, a full one for the others. */
async function aboutTo(call: Call): Promise<Lab> {
  const lab = await Lab.open({ eni: { "subnet-tags": { pods: "true" } }, ipam: { "pre-allocate": 2 } });
  // Two running pods and the buffer of two: one interface with slots left. Seven and two: it is full.
  await lab.pods.run(call === "AssignPrivateIpAddresses" ? 2 : 7);
  await lab.quiet();
  lab.forget();
  return lab;
}

/** An hour in which that call is always refused so, and what comes after it. */
export async function holdRow(row: Row): Promise<void> {
  const { code, message, httpStatus, call } = row;
  const reaction = reactionTo(row);
  const lab = await aboutTo(call);
  const subnetId = lab.truth()[1]?.subnetId;
  lab.cloud.faults.add({ action: call, effect: { kind: "error", code, message, httpStatus }, times: "unlimited" });

  // More pods than the buffer holds, so that growth is needed; what is free is served all the same.
  const answers = await lab.pods.add(4);
  expect(answers.filter((answer) => typeof answer === "string").length, "pods served").toBeGreaterThanOrEqual(2);
  const refused = answers.filter((answer) => answer instanceof EnidError);
  expect(refused.map((error) => error.code)).not.toContain("ENID_INTERNAL");
  await lab.advance(HOUR_MS);

  const calls = lab.mutations(call);
  expect(calls.length).toBeGreaterThanOrEqual(1);
  expect(calls.length, "calls in an hour").toBeLessThanOrEqual(reaction.callsPerHour);
  holdCreates(lab, row, subnetId);
  const states = lab.said("degraded").map(({ fields }) => String(fields?.state));
  const said = states.filter((state) => state === reaction.degraded).length;
  expect(said, `times ${reaction.degraded} is said`).toBeGreaterThanOrEqual(1);
  // What cannot change by itself is said once; what passes may pass and come back.
  expect(said, `times ${reaction.degraded} is said`).toBeLessThanOrEqual(reaction.passes ? 2 : 1);
  if (reaction.observesWithinMs !== undefined) {
    const failedAtMs = calls[0]?.atMs ?? 0;
    const looks = lab.calls("DescribeNetworkInterfaces").map(({ atMs }) => atMs - failedAtMs);
    expect(Math.min(...looks.filter((ms) => ms > 0)), "ms to the next look").toBeLessThan(reaction.observesWithinMs);
  }

  lab.cloud.faults.remove();
  await lab.advance(reaction.recoversWithinMs);
  await lab.pods.run(1);
  await lab.quiet();
  lab.agree();
  expect(lab.degraded()).toEqual([]);
  await lab.close();
}

/** No failure is answered by making interfaces, unless its class says that another subnet helps: then it is one. */
function holdCreates(lab: Lab, row: Row, subnetId: string | undefined): void {
  const creates = lab.mutations("CreateNetworkInterface");
  const made = creates.filter(({ code }) => code === "");
  expect(creates.map(({ parameters }) => parameters.SubnetId)).not.toContain(OTHER_SUBNET);
  if (row.call === "AssignPrivateIpAddresses" && REACTIONS[row.class].elsewhere) {
    expect(made.map(({ parameters }) => parameters.SubnetId === subnetId)).toEqual([false]);
  } else if (row.call === "AssignPrivateIpAddresses") {
    expect(creates, "interfaces made because an assign failed").toEqual([]);
  } else {
    expect(made.length, "interfaces made in an hour").toBeLessThanOrEqual(CREATES_PER_HOUR);
  }
}
