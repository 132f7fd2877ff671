import { EnidError } from "../../errors.ts";
import { closest } from "../suggest.ts";

export function usage(detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: "simulate" });
}

/** Names with commas between them, each known and in the order given; a name given twice counts once. */
export function listOf<Name extends string>(flag: string, text: string, known: readonly Name[]): readonly Name[] {
  const chosen = new Set<Name>();
  for (const written of text.split(",").map((name) => name.trim())) {
    const name = known.find((one) => one === written);
    if (name === undefined) {
      const meant = closest(written, known);
      const hint = meant === undefined ? `allowed are ${known.join(", ")}` : `did you mean ${meant}?`;
      throw usage(`--${flag} knows no ${JSON.stringify(written)}; ${hint}`);
    }
    chosen.add(name);
  }
  return [...chosen];
}
