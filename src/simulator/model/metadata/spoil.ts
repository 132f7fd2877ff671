import type { Answer } from "../answer.ts";
import type { FaultEffect } from "../faults.ts";
import { errorPage } from "./service.ts";

/** What a fault leaves of an answer of the metadata service; `error` and `html` are a page of that status, else 500 and 503. */
export function spoilMetadata(answer: () => Answer, fault: FaultEffect | undefined): Answer {
  switch (fault?.kind) {
    case "error":
      return errorPage(fault.httpStatus ?? 500);
    case "html":
      return errorPage(fault.httpStatus ?? 503);
    case "hang":
      return { kind: "hang" };
    case "reset":
    case "lost-reply":
      return { kind: "reset" };
    case "latency":
      return { ...answer(), delayMs: fault.delayMs };
    case "truncated": {
      const whole = answer();
      return whole.kind === "reply" ? { ...whole, body: whole.body.slice(0, whole.body.length / 2) } : whole;
    }
    default:
      return answer();
  }
}
