import { EnidError } from "../../errors.ts";
import { askBird, type BirdAccess, type BirdAnswer } from "./control.ts";
import { PROTOCOLS } from "./include-file.ts";
import { readBfdSessions, readProtocols, type ShownProtocol } from "./read-back.ts";

/** What BIRD said of itself. */
export interface BirdState {
  readonly protocols: readonly ShownProtocol[];
  /** By the neighbour's address. */
  readonly bfd: ReadonlyMap<string, string>;
  /** The one description of enid's protocols; empty when BIRD has none of them, or they do not agree. */
  readonly description: string;
}

/** Codes of BIRD: reconfigured, and the two that say that it goes on doing so. */
const TAKEN_OVER = [3, 4, 5];
const CONFIGURATION_OK = 20;

/** @throws BirdSilent */
export async function readBird(access: BirdAccess): Promise<BirdState> {
  const [shown, sessions] = await askBird(access, ["show protocols all", "show bfd sessions"]);
  const protocols = shown === undefined ? [] : readProtocols(shown);
  // Without BFD the answer is an error that holds no session.
  const bfd = sessions === undefined ? new Map<string, string>() : readBfdSessions(sessions);
  const own = Object.values(PROTOCOLS).map((name) => protocols.find((protocol) => protocol.name === name)?.description);
  const [first = ""] = own;
  return { protocols, bfd, description: own.every((description) => description === first) ? first : "" };
}

/**
 * Has BIRD read its configuration, if it is sound. A broken one leaves in force what is; it is checked before so that
 * nothing depends on that.
 *
 * @throws BirdSilent, EnidError ENID_BIRD with BIRD's words
 */
export async function configureBird(access: BirdAccess): Promise<void> {
  for (const command of ["configure check", "configure"]) {
    const [answer] = await askBird(access, [command]);
    const expected = command === "configure" ? TAKEN_OVER : [CONFIGURATION_OK];
    if (answer !== undefined && expected.includes(answer.code)) continue;
    throw new EnidError("ENID_BIRD", { detail: `it refuses its configuration: ${wordsOf(answer)}` });
  }
}

function wordsOf(answer: BirdAnswer | undefined): string {
  const words = answer?.lines.filter(({ code }) => code >= 8000).map(({ text }) => text) ?? [];
  return (words.length > 0 ? words : (answer?.lines.map(({ text }) => text) ?? [])).join("; ").slice(0, 500);
}
