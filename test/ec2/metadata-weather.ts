import type { Answer } from "../../src/simulator/index.ts";

/** What becomes of an answer of instance metadata on its way. */
export type MetadataWeather = (path: string, answer: Answer) => Answer;

const LISTS = /\/(local-ipv4s|ipv4-prefix|ipv6-prefix|ipv6s)$/;

/** The lists of addresses and prefixes of an interface show their first half only. */
export const half: MetadataWeather = (path, answer) =>
  LISTS.test(path) ? altered(answer, (lines) => lines.slice(0, Math.ceil(lines.length / 2))) : answer;

/** No interface but the primary one is shown, although its neighbours are attached. */
export const onlyThePrimary =
  (primaryMac: string): MetadataWeather =>
  (path, answer) =>
    path.endsWith("/macs/") || path.endsWith("/macs")
      ? altered(answer, (lines) => lines.filter((line) => line.startsWith(primaryMac)))
      : answer;

/** Every list is answered as it was answered first: the service has stopped following EC2. */
export function frozen(): MetadataWeather {
  const first = new Map<string, Answer>();
  return (path, answer) => {
    if (!path.includes("/network/interfaces/") || answer.kind !== "reply" || answer.status !== 200) return answer;
    const known = first.get(path) ?? answer;
    first.set(path, known);
    return known;
  };
}

function altered(answer: Answer, change: (lines: string[]) => string[]): Answer {
  if (answer.kind !== "reply" || answer.status !== 200) return answer;
  return { ...answer, body: change(answer.body.split("\n")).join("\n") };
}
