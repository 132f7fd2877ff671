import type { Cancel, Clock } from "../adapters/index.ts";
import { isMissing, readConfigurationFile, watchConfiguration } from "../configuration/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { ConfigurationOffer, Telemetry } from "../manager/index.ts";

/** What the file says at the start. Never rejects: whether a bad file matters is for the manager, which has the state. */
export async function readOffer(file: string | undefined): Promise<ConfigurationOffer> {
  if (file === undefined) return { kind: "none" };
  try {
    return { kind: "valid", configuration: await readConfigurationFile(file) };
  } catch (thrown) {
    const error = coerceError(thrown);
    return { kind: isMissing(error) ? "missing" : "invalid", error };
  }
}

export interface FeedOptions {
  readonly file: string;
  /** What the manager was started with: not offered again. */
  readonly first: ConfigurationOffer;
  readonly offer: (offer: ConfigurationOffer) => Promise<void>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** From one look at the file to the next. */
  readonly pollMs?: number;
}

/** A change that could not be applied (the state cannot be written) is offered again after this pause. */
const AGAIN_MS = 5_000;

/**
 * Offers every change of the file to the manager, in order and one at a time. A newer content takes the place of an
 * older one that was not applied yet. The answer stops it.
 */
export function feedConfiguration(options: FeedOptions): Cancel {
  const { file, clock, first, telemetry } = options;
  let waiting: ConfigurationOffer | undefined;
  let busy = false;
  let stopped = false;
  let cancelAgain: Cancel = () => {};
  let told = problemText(first);

  const drain = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    while (waiting !== undefined && !stopped) {
      const offer = waiting;
      waiting = undefined;
      try {
        await options.offer(offer);
      } catch (thrown) {
        waiting ??= offer;
        const error = coerceError(thrown);
        telemetry.event({
          name: "configuration-deferred",
          level: "error",
          message: `${file} changed and could not be applied yet: ${error.code}: ${error.message}`,
          fields: { file, code: error.code },
        });
        cancelAgain = clock.after(AGAIN_MS, () => void drain());
        break;
      }
    }
    busy = false;
  };

  const stopWatch = watchConfiguration({
    file,
    clock,
    ...(first.kind === "valid" ? { knownText: first.configuration.text } : {}),
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    onChange(change) {
      const offer = change.kind === "missing" ? { kind: change.kind, error: missing(file) } : change;
      // The watch finds again what was broken at the start; that was told already.
      const again = told !== undefined && problemText(offer) === told;
      told = undefined;
      if (again) return;
      waiting = offer;
      cancelAgain();
      void drain();
    },
  });
  return () => {
    stopped = true;
    cancelAgain();
    stopWatch();
  };
}

function problemText(offer: ConfigurationOffer): string | undefined {
  return offer.kind === "invalid" ? offer.error.message : offer.kind === "missing" ? offer.kind : undefined;
}

function missing(file: string): EnidError {
  return new EnidError("ENID_CONFIG_UNREADABLE", { file, detail: "there is no such file" });
}
