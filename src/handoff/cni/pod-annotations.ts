import { EnidError } from "../../errors.ts";
import { isRecord, quote } from "./call.ts";
import type { NetworkConfiguration } from "./network-configuration.ts";

/**
 * The capability under which a runtime passes the annotations of the pod on, an object of texts: containerd since 1.3
 * (pkg/cri/annotations, `PodAnnotations`) and CRI-O through ocicni (`RuntimeConfig.PodAnnotations`).
 */
const CAPABILITY = "io.kubernetes.cri.pod-annotations";
/** Annotations of others are none of enid's business, however large they are. */
const OWN_PREFIX = "enid.io/";
const MOST_ANNOTATIONS = 32;
/** Kubernetes allows 253 characters of prefix, "/" and 63 of name; of enid's own prefix there is no more. */
const KEY_LIMIT_CHARACTERS = OWN_PREFIX.length + 63;
const VALUE_LIMIT_CHARACTERS = 256;

/**
 * The annotations of the pod that are enid's; undefined = there are none, or the runtime passes none on.
 *
 * Throws ENID_CNI_CONFIG, after the place of what is wrong: a pod that asks for something would get something else.
 */
export function podAnnotations({ runtimeConfig }: NetworkConfiguration): Readonly<Record<string, string>> | undefined {
  if (!isRecord(runtimeConfig)) return undefined;
  const all = runtimeConfig[CAPABILITY];
  if (all === undefined || all === null) return undefined;
  const place = `runtimeConfig["${CAPABILITY}"]`;
  if (!isRecord(all)) throw unusable(`${place} is not an object`);
  const own = Object.entries(all).filter(([key]) => key.startsWith(OWN_PREFIX));
  if (own.length === 0) return undefined;
  if (own.length > MOST_ANNOTATIONS) {
    throw unusable(`${place} has ${own.length} annotations under ${OWN_PREFIX}; at most ${MOST_ANNOTATIONS} are read`);
  }
  for (const [key, value] of own) {
    const shown = `${place}: ${quote(key)}`;
    if (key.length > KEY_LIMIT_CHARACTERS) throw unusable(`${shown} is longer than ${KEY_LIMIT_CHARACTERS} characters`);
    if (typeof value !== "string") throw unusable(`${shown} is not text`);
    if (value.length > VALUE_LIMIT_CHARACTERS) {
      throw unusable(`${shown} has a value of more than ${VALUE_LIMIT_CHARACTERS} characters`);
    }
  }
  // Not a literal: the keys are the pod's, and "__proto__" is none of them.
  return Object.fromEntries(own) as Record<string, string>;
}

function unusable(detail: string): EnidError {
  return new EnidError("ENID_CNI_CONFIG", { detail });
}
