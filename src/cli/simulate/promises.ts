/** The promises of docs/architecture.md, in short, by number. */
const PROMISES: readonly string[] = [
  "the simulation itself works",
  "an address has at most one lease",
  "a reply to ADD follows the commit of its lease",
  "a repeated ADD returns the same address, and DEL of the unknown succeeds",
  "a leased or cooling address is never given back to the cloud",
  "each change of the cloud has a committed intent, and nothing leaks",
  "no subnet, interface or security group outside the configuration is used",
  "instance limits are never exceeded, and a full instance costs no calls",
  "repeating a plan changes nothing",
  "a partial or stale observation never removes a lease",
  "after faults stop, demand is met within a bound",
  "settings never fall back to defaults, and an invalid file changes nothing",
  "a fixed address never changes, is bound on one node, and comes back within a bound",
];

export function promiseText(number: number): string {
  return PROMISES[number] ?? "not a numbered promise";
}
