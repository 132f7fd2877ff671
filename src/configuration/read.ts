import { crossProblems } from "./cross-checks.ts";
import { type JsonDocument, parseDocument } from "./document.ts";
import { extract } from "./extract.ts";
import { invalid, kindOf, type Problem, problem } from "./problems.ts";
import { schemaErrors } from "./schema.ts";
import { schemaProblems } from "./schema-problems.ts";
import { findSection } from "./section.ts";
import { decode } from "./source-text.ts";
import type { Configuration } from "./types.ts";

/**
 * Reads a configuration file of either form: one network configuration, or a list with `plugins`, of which the first
 * entry of type "cilium-cni" counts (without one, the whole file).
 *
 * Throws ENID_CONFIG_TOO_LARGE, ENID_CONFIG_SYNTAX (what is not JSON in UTF-8) or ENID_CONFIG_INVALID. The latter two
 * carry a Problem[] as details: of a syntax only the first, otherwise all problems of the file at once.
 */
export function readConfiguration(bytes: Uint8Array, file: string): Configuration {
  const document = parseDocument(decode(bytes, file));
  const root = rootProblem(document);
  if (root !== undefined) throw invalid(file, [root]);
  const section = findSection(document);
  const faults = section.usable
    ? schemaProblems(document, section.pointer, schemaErrors("network-configuration", section.value))
    : [];
  const problems: Problem[] = [...document.duplicates, ...section.problems, ...faults];
  problems.push(...crossProblems(document, section));
  if (problems.length > 0) throw invalid(file, problems);
  return extract(document, section);
}

function rootProblem(document: JsonDocument): Problem | undefined {
  const { value } = document;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return undefined;
  const spelled = document.spelling("");
  const what = `${spelled} is ${kindOf(value)}; allowed is an object: a network configuration, or a list with "plugins"`;
  return problem(document.place(""), spelled, what);
}
