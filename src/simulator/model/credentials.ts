/** Credentials that the simulated cloud gives out, and who calls with them. They open nothing but the simulated cloud. */
import type { CloudState, World } from "./state.ts";

export interface Caller {
  /** The account that it calls as. */
  readonly account: string;
  readonly arn: string;
  readonly userId: string;
}

export interface IssuedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly caller: Caller;
}

/** What AWS tools need to start; any other key is as good. */
export const DUMMY_CREDENTIALS = { accessKeyId: "AKIASIMULATED0000000", secretAccessKey: "simulated" } as const;

const MAX_SESSIONS = 10_000;

export function issueCredentials(
  world: Pick<World, "state" | "nowMs" | "random">,
  session: { readonly account: string; readonly role: string; readonly session: string; readonly lifeMs: number },
): IssuedCredentials {
  const digits = world.random.id().replaceAll("-", "").toUpperCase();
  const issued: IssuedCredentials = {
    accessKeyId: `ASIA${digits.slice(0, 16)}`,
    secretAccessKey: `simulated-${digits.slice(16)}`,
    sessionToken: `simulated-session-${digits}`,
    issuedAtMs: world.nowMs,
    expiresAtMs: world.nowMs + session.lifeMs,
    caller: {
      account: session.account,
      arn: `arn:aws:sts::${session.account}:assumed-role/${session.role}/${session.session}`,
      userId: `AROAENIDSIMULATOR0000:${session.session}`,
    },
  };
  const { callers } = world.state;
  callers.set(issued.accessKeyId, issued.caller);
  const oldest = callers.keys().next();
  if (callers.size > MAX_SESSIONS && !oldest.done) callers.delete(oldest.value);
  return issued;
}

/** Who calls with that key; a key that was not given out here belongs to a user of the account. */
export function callerOf(state: CloudState, accessKeyId: string): Caller {
  return (
    state.callers.get(accessKeyId) ?? {
      account: state.account,
      arn: `arn:aws:iam::${state.account}:user/simulated`,
      userId: "AIDAENIDSIMULATOR0000",
    }
  );
}
