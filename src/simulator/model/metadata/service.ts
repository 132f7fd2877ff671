/**
 * The instance metadata service of one instance: tokens (IMDSv2), the paths and their answers. Pure: the HTTP listener
 * hands requests in and sends what comes out.
 * Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
 */
import type { Answer } from "../answer.ts";
import type { IssuedCredentials } from "../credentials.ts";
import type { Instance } from "../records.ts";
import type { World } from "../state.ts";
import { identityDocument, type Node, pictureOf, roleCredentials } from "./tree.ts";

export interface MetadataRequest {
  readonly method: string;
  /** Path of the URL, without the query. */
  readonly path: string;
  /** Header values by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

interface Token {
  readonly instanceId: string;
  readonly expiresAtMs: number;
}

const TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER = "x-aws-ec2-metadata-token";
const TOKEN_PATH = "/latest/api/token";
const PLAIN = { "content-type": "text/plain", server: "EC2ws" };
const MAX_TTL_SECONDS = 21_600;
const MAX_TOKENS = 10_000;
/** Of one picture: more than the keys of any instance; clients choose the paths. */
const MAX_TEXTS = 1_000;
const VERSIONS = [
  "1.0",
  "2016-09-02",
  "2018-09-24",
  "2019-10-01",
  "2020-10-27",
  "2021-01-03",
  "2021-07-15",
  "2022-09-24",
  "latest",
];

export class MetadataService {
  readonly #tokens = new Map<string, Token>();
  readonly #credentials = new Map<string, IssuedCredentials>();

  answer(world: World, instanceId: string, request: MetadataRequest): Answer {
    const instance = world.state.instances.get(instanceId);
    if (instance?.state !== "running") return { kind: "reset" };
    switch (world.settings.metadataOutage) {
      case "hang":
      case "reset":
        return { kind: world.settings.metadataOutage };
      case "error":
        return page(500, "Internal Server Error");
      case "none":
        return this.#serve(world, instance, request);
    }
  }

  #serve(world: World, instance: Instance, request: MetadataRequest): Answer {
    if (!instance.metadata.enabled) return page(403, "Forbidden");
    if (request.method === "PUT") return this.#giveToken(world, instance, request);
    if (request.method !== "GET" && request.method !== "HEAD") return page(405, "Method Not Allowed");
    const token = request.headers[TOKEN_HEADER];
    if (token === undefined ? instance.metadata.tokens === "required" : !this.#isValid(token, instance, world.nowMs)) {
      return page(401, "Unauthorized");
    }
    const text = this.#read(world, instance, request.path);
    return text === undefined ? NOT_FOUND : plain(text);
  }

  #giveToken(world: World, instance: Instance, request: MetadataRequest): Answer {
    if (request.path !== TOKEN_PATH || request.headers["x-forwarded-for"] !== undefined) return page(403, "Forbidden");
    // The answer carries the hop limit as its IP time to live, so that further away it never arrives.
    if (instance.metadata.callerHops > instance.metadata.hopLimit) return { kind: "hang" };
    const ttl = request.headers[TTL_HEADER] ?? "";
    if (!/^\d{1,6}$/.test(ttl) || Number(ttl) < 1 || Number(ttl) > MAX_TTL_SECONDS) return page(400, "Bad Request");
    const token = `simulated-${world.random.id().replaceAll("-", "")}==`;
    this.#tokens.set(token, { instanceId: instance.id, expiresAtMs: world.nowMs + Number(ttl) * 1_000 });
    const oldest = this.#tokens.keys().next();
    if (this.#tokens.size > MAX_TOKENS && !oldest.done) this.#tokens.delete(oldest.value);
    return { kind: "reply", status: 200, headers: { ...PLAIN, [TTL_HEADER]: ttl }, body: token };
  }

  #isValid(token: string, instance: Instance, nowMs: number): boolean {
    const known = this.#tokens.get(token);
    return known !== undefined && known.instanceId === instance.id && known.expiresAtMs > nowMs;
  }

  #read(world: World, instance: Instance, path: string): string | undefined {
    const picture = pictureOf(world, instance, (now) => roleCredentials(now, instance, this.#credentials));
    const known = picture.texts.get(path);
    if (known !== undefined) return known ?? undefined;
    const [version, ...names] = path.split("/").filter((name) => name !== "");
    if (version === undefined) return VERSIONS.join("\n");
    if (!VERSIONS.includes(version)) return undefined;
    const root: Node = {
      dynamic: { "instance-identity": { document: (now) => identityDocument(now, instance) } },
      "meta-data": picture.tree,
    };
    const node = find(root, names.map(decode));
    const text = show(node, world);
    if (typeof node !== "function" && picture.texts.size < MAX_TEXTS) picture.texts.set(path, text ?? null);
    return text;
  }
}

function find(root: Node, names: readonly string[]): Node | undefined {
  let node: Node | undefined = root;
  for (const name of names) {
    if (typeof node !== "object" || !Object.hasOwn(node, name)) return undefined;
    node = node[name];
  }
  return node;
}

/** A value as it is; a directory as its names, one a line, those of directories with a slash at the end. */
function show(node: Node | undefined, world: World): string | undefined {
  if (node === undefined || typeof node === "string") return node;
  if (typeof node === "function") return node(world);
  return Object.keys(node)
    .sort()
    .map((name) => (typeof node[name] === "object" ? `${name}/` : name))
    .join("\n");
}

function decode(name: string): string {
  if (!name.includes("%")) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function plain(body: string): Answer {
  return { kind: "reply", status: 200, headers: PLAIN, body };
}

const TITLES: Readonly<Record<number, string>> = {
  404: "Not Found",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The XHTML page of a status. */
export function errorPage(status: number): Answer {
  return page(status, TITLES[status] ?? "Error");
}

function page(status: number, title: string): Answer {
  const body = [
    '<?xml version="1.0" encoding="iso-8859-1"?>',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">',
    '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">',
    ` <head><title>${status} - ${title}</title></head>`,
    ` <body><h1>${status} - ${title}</h1></body>`,
    "</html>",
    "",
  ].join("\n");
  return { kind: "reply", status, headers: { ...PLAIN, "content-type": "text/html" }, body };
}

const NOT_FOUND = page(404, "Not Found");
