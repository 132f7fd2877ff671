import { formatAddress, parseAddress } from "./ip-range.ts";
import type { ValueFault } from "./problems.ts";

/** Faults of servers that each have the right form; those that do not are given as undefined and skipped. */
export function serverFaults(servers: readonly (string | undefined)[]): ValueFault[] {
  const seen = new Map<string, number>();
  return servers.flatMap((server, at): ValueFault[] => {
    if (server === undefined) return [];
    const what = hostFault(hostOf(server));
    if (what !== undefined)
      return [{ at: `/${at}`, what, allowed: 'allowed is "host:port", an IPv6 address in brackets' }];
    const name = canonicalServer(server);
    const earlier = seen.get(name);
    seen.set(name, earlier ?? at);
    if (earlier === undefined) return [];
    return [{ at: `/${at}`, with: `/${earlier}`, what: "repeats the server", allowed: "allowed is each once" }];
  });
}

function hostFault(host: string): string | undefined {
  if (host.startsWith("[")) {
    return parseAddress(host.slice(1, -1))?.family === "ipv6" ? undefined : "has no IPv6 address in its brackets";
  }
  if (/^[0-9.]+$/.test(host) && parseAddress(host) === undefined) return "has no IPv4 address";
  const isName = host.split(".").every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
  return isName ? undefined : "has no name of a host";
}

/** The server as all of enid writes it: lower case, an IPv6 address as RFC 5952 has it. */
export function canonicalServer(server: string): string {
  const host = hostOf(server);
  const port = server.slice(host.length);
  if (!host.startsWith("[")) return host.toLowerCase() + port;
  const address = parseAddress(host.slice(1, -1));
  return address === undefined ? server : `[${formatAddress(address)}]${port}`;
}

function hostOf(server: string): string {
  return server.slice(0, server.lastIndexOf(":"));
}
