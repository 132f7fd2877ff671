import ipaddr from "ipaddr.js";
import { EnidError } from "../errors.ts";

/** A node has some hundred pods; these limits are for files that are something else. */
export const ADOPTION_FILE_LIMIT_BYTES = 4 * 1024 * 1024;
const ENTRIES_LIMIT = 10_000;
const TEXT_LIMIT = 512;

/** A value of a JSON file and where it stands there; every refusal names the place. */
export class Place {
  readonly #file: string;
  /** JSON pointer (RFC 6901); empty at the top. */
  readonly pointer: string;
  readonly value: unknown;

  constructor(file: string, pointer: string, value: unknown) {
    this.#file = file;
    this.pointer = pointer;
    this.value = value;
  }

  /** @throws EnidError ENID_ADOPTION_FILE_INVALID. */
  static parse(file: string, text: string): Place {
    const bytes = Buffer.byteLength(text);
    if (bytes > ADOPTION_FILE_LIMIT_BYTES) {
      throw invalid(file, `it has ${bytes} bytes; at most ${ADOPTION_FILE_LIMIT_BYTES} are read`);
    }
    try {
      return new Place(file, "", JSON.parse(text));
    } catch (cause) {
      throw invalid(file, `it is not JSON: ${(cause as Error).message}`, cause);
    }
  }

  /** What is wrong here. */
  refuse(detail: string): EnidError {
    return invalid(this.#file, this.pointer === "" ? detail : `${this.pointer} ${detail}`);
  }

  /** The member of an object; its value is undefined when the object lacks it. */
  at(name: string): Place {
    const object = this.#object();
    return this.#below(name, Object.hasOwn(object, name) ? object[name] : undefined);
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  items(): Place[] {
    if (!Array.isArray(this.value)) throw this.refuse(`must be a list, not ${kind(this.value)}`);
    if (this.value.length > ENTRIES_LIMIT) {
      throw this.refuse(`has ${this.value.length} entries; at most ${ENTRIES_LIMIT} are read`);
    }
    return this.value.map((value, index) => this.#below(String(index), value));
  }

  members(): [string, Place][] {
    const members = Object.entries(this.#object());
    if (members.length > ENTRIES_LIMIT) {
      throw this.refuse(`has ${members.length} entries; at most ${ENTRIES_LIMIT} are read`);
    }
    return members.map(([name, value]) => [name, this.#below(name, value)]);
  }

  text(limit = TEXT_LIMIT): string {
    if (typeof this.value !== "string") throw this.refuse(`must be a text, not ${kind(this.value)}`);
    if (this.value.length > limit) throw this.refuse(`has ${this.value.length} characters; at most ${limit} are read`);
    return this.value;
  }

  /** Empty when absent: Go writes an empty text where there is none. */
  optionalText(limit = TEXT_LIMIT): string {
    return this.isAbsent ? "" : this.text(limit);
  }

  number(): number {
    if (typeof this.value !== "number") throw this.refuse(`must be a number, not ${kind(this.value)}`);
    return this.value;
  }

  #object(): Record<string, unknown> {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value)) {
      throw this.refuse(`must be an object, not ${kind(this.value)}`);
    }
    return this.value as Record<string, unknown>;
  }

  #below(name: string, value: unknown): Place {
    const step = name.slice(0, TEXT_LIMIT).replaceAll("~", "~0").replaceAll("/", "~1");
    return new Place(this.#file, `${this.pointer}/${step}`, value);
  }
}

/** The address in the form in which the pool has it; undefined when the text is none. */
export function canonicalAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (!ipaddr.IPv6.isValid(text) || text.includes("%")) return undefined;
  return ipaddr.IPv6.parse(text).toRFC5952String();
}

function invalid(file: string, detail: string, cause?: unknown): EnidError {
  return new EnidError("ENID_ADOPTION_FILE_INVALID", { file, detail }, cause === undefined ? {} : { cause });
}

function kind(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value)
    ? "a list"
    : ({ object: "an object", string: "a text" }[typeof value as string] ?? `a ${typeof value}`);
}
