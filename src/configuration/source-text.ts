import { EnidError } from "../errors.ts";
import { syntaxError } from "./problems.ts";
import type { Place } from "./types.ts";

/** Largest file that is read. A real one has a few kilobytes; a ConfigMap holds at most 1 MiB. */
export const FILE_LIMIT_BYTES = 1024 * 1024;

const BYTE_ORDER_MARK = "\uFEFF";

/** A text with the means to say where in it something is. */
export interface SourceText {
  readonly file: string;
  /** As read, a byte order mark included. */
  readonly text: string;
  /** Without byte order mark; offsets count from its start. */
  readonly body: string;
  place(offset: number, pointer: string): Place;
}

/** The bytes as text. Throws ENID_CONFIG_TOO_LARGE or ENID_CONFIG_SYNTAX for what cannot be UTF-8 JSON. */
export function decode(bytes: Uint8Array, file: string): SourceText {
  if (bytes.length > FILE_LIMIT_BYTES) throw tooLarge(file, bytes.length);
  const start: Place = { file, line: 1, column: 1, pointer: "" };
  if (startsWith(bytes, 0xff, 0xfe) || startsWith(bytes, 0xfe, 0xff)) {
    const mark = `0x${hex(bytes[0])} 0x${hex(bytes[1])}`;
    throw syntaxError(start, mark, `the file begins with ${mark}: it is UTF-16; allowed is JSON in UTF-8`);
  }
  const bad = firstBadByte(bytes);
  if (bad !== undefined) {
    const before = sourceText(file, new TextDecoder().decode(bytes.subarray(0, bad), { stream: true }));
    const byte = `0x${hex(bytes[bad])}`;
    throw syntaxError(
      before.place(before.body.length, ""),
      byte,
      `byte ${byte} at offset ${bad} is not text: the file is binary or not UTF-8; allowed is JSON in UTF-8`,
    );
  }
  const source = sourceText(file, new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  if (source.body.trim() === "") {
    const what = bytes.length === 0 ? "the file is empty" : "the file holds nothing but white space";
    throw syntaxError(start, "", `${what}; allowed is a JSON object: a network configuration, or a list of them`);
  }
  return source;
}

/** `bytes` is a figure, or "more than ..." when reading stopped at the limit. */
export function tooLarge(file: string, bytes: number | string): EnidError {
  return new EnidError("ENID_CONFIG_TOO_LARGE", { file, bytes, limitBytes: FILE_LIMIT_BYTES });
}

function sourceText(file: string, text: string): SourceText {
  const body = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  const lineStarts = [0, ...Array.from(body.matchAll(/\r\n|\n|\r/g), (match) => match.index + match[0].length)];
  return {
    file,
    text,
    body,
    place(offset, pointer) {
      const line = lastAtOrBefore(lineStarts, offset);
      return { file, line: line + 1, column: offset - (lineStarts[line] ?? 0) + 1, pointer };
    },
  };
}

/** Offset of the first NUL, or of the first byte with which UTF-8 cannot go on. */
function firstBadByte(bytes: Uint8Array): number | undefined {
  const nul = bytes.indexOf(0);
  if (decodes(bytes, false)) return nul === -1 ? undefined : nul;
  // A prefix that breaks off inside a character still decodes as a part of a stream.
  let fine = 0;
  let bad = bytes.length + 1;
  while (bad - fine > 1) {
    const middle = (fine + bad) >> 1;
    if (decodes(bytes.subarray(0, middle), true)) fine = middle;
    else bad = middle;
  }
  // The byte that fails may be the second of a character; the first is the one to look at.
  const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, fine), { stream: true });
  const start = new TextEncoder().encode(whole).length;
  return nul === -1 ? start : Math.min(nul, start);
}

function decodes(bytes: Uint8Array, more: boolean): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: more });
    return true;
  } catch {
    return false;
  }
}

/** Index of the last of the ascending `starts` that is at or before `offset`. */
function lastAtOrBefore(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle;
  }
  return low;
}

function startsWith(bytes: Uint8Array, ...head: number[]): boolean {
  return head.every((byte, index) => bytes[index] === byte);
}

function hex(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, "0");
}
