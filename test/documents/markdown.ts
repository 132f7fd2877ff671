import { filesBelow, readSource } from "../house/source-files.ts";

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** Of its first fence, from 1. */
  readonly line: number;
  /** What follows the fence, such as "sh"; "" when nothing does. */
  readonly tag: string;
  /** What the comment `<!-- tested: ... -->` directly above it says; undefined without one. */
  readonly tested: string | undefined;
  /** Without the indentation of the fence, and without a last line break. */
  readonly text: string;
}

/** Code within a line of a page, `so`. */
export interface InlineCode {
  readonly page: string;
  readonly line: number;
  readonly text: string;
}

export interface Page {
  readonly path: string;
  readonly blocks: readonly Block[];
  readonly inline: readonly InlineCode[];
  /** What is wrong with the page itself. */
  readonly problems: readonly string[];
}

const FENCE = /^( *)(`{3,}|~{3,})(.*)$/;
const COMMENT = /^ *<!-- tested: (.*?) -->$/;

/** Everything that a person is told to read: all but CHANGELOG.md, which speaks of the past. */
export function pagePaths(): string[] {
  const isPage = (path: string) => path.endsWith(".md") && !path.includes("node_modules/") && path !== "CHANGELOG.md";
  return [
    ...filesBelow(".", (path) => isPage(path) && !path.includes("/")),
    ...["docs", "eni-config", "deploy", "cdk", "bench"].flatMap((folder) => filesBelow(folder, isPage)),
  ];
}

export function readPage(path: string): Page {
  return parsePage(path, readSource(path));
}

export function parsePage(path: string, text: string): Page {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  const problems: string[] = [];
  // The page with its blocks emptied: what is left has the inline code, at the same lines.
  const rest = [...lines];
  for (let at = 0; at < lines.length; at++) {
    const [, indent = "", fence = "", tag = ""] = FENCE.exec(lines[at] ?? "") ?? [];
    const comment = COMMENT.exec(lines[at] ?? "");
    if (comment !== null && !FENCE.test(lines[at + 1] ?? "")) {
      problems.push(`${path}:${at + 1}: the comment "tested: ${comment[1]}" stands above no block`);
    }
    if (fence === "") continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence);
    if (end === -1) {
      problems.push(`${path}:${at + 1}: the block has no end`);
      break;
    }
    const inner = lines.slice(at + 1, end);
    blocks.push({
      page: path,
      line: at + 1,
      tag: tag.trim(),
      tested: COMMENT.exec(lines[at - 1] ?? "")?.[1],
      text: inner.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line)).join("\n"),
    });
    for (let index = at; index <= end; index++) rest[index] = "";
    at = end;
  }
  return { path, blocks, inline: inlineOf(path, rest.join("\n")), problems };
}

function inlineOf(path: string, text: string): InlineCode[] {
  return [...text.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map((match) => ({
    page: path,
    line: text.slice(0, match.index).split("\n").length,
    text: (match[1] ?? "").replace(/\s*\n\s*/g, " ").replaceAll("\\|", "|"),
  }));
}

export const placeOf = ({ page, line }: { readonly page: string; readonly line: number }) => `${page}:${line}`;
