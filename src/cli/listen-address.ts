import { isIP } from "node:net";
import { EnidError } from "../errors.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads "127.0.0.1:9610" or "[::1]:9610"; a name is not taken, because a resolver would decide who can reach enid. */
export function parseListenAddress(text: string, command: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = Number(digits);
  if (isIP(host) === 0 || !(port <= 65_535)) {
    const detail = `--listen cannot be ${JSON.stringify(text)}; allowed is ADDRESS:PORT such as 127.0.0.1:9610`;
    throw new EnidError("ENID_USAGE", { detail, command });
  }
  return { host, port };
}

export function listenText({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
