import { coerceError, EnidError } from "../../errors.ts";

/** ENID_HOST_ROUTES: `subject` is a device, an interface, an address or "this node". */
export function hostRoutesError(subject: string, detail: string, cause?: unknown): EnidError {
  return new EnidError("ENID_HOST_ROUTES", { subject, detail }, cause === undefined ? {} : { cause });
}

/** What was thrown, as ENID_HOST_ROUTES. */
export function asHostRoutesError(thrown: unknown): EnidError {
  const error = coerceError(thrown);
  return error.code === "ENID_HOST_ROUTES" ? error : hostRoutesError("this node", error.message, thrown);
}
