/** One simple command of a shell script: its words without their quotes. */
export interface ShellCommand {
  /** Line within the script, from 0. */
  readonly line: number;
  readonly words: readonly string[];
  /** Files that it is redirected to or from. */
  readonly redirections: readonly string[];
  /** Assignments before the program: NAME=VALUE ... */
  readonly assignments: readonly string[];
}

/** Words that the shell itself takes where a command begins. */
const RESERVED = new Set(["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "(", ")"]);

type Token =
  | { readonly kind: "word"; readonly text: string; readonly line: number }
  | { readonly kind: "end" }
  | { readonly kind: "redirection" };

/**
 * The simple commands of a script, those in `$( )` too, each after the one that it is in. What the documents need of a
 * POSIX shell; `bash -n` is the judge of the rest. Throws on a quote without its end.
 */
export function shellCommands(script: string): ShellCommand[] {
  const nested: ShellCommand[] = [];
  const tokens = tokensOf(script, (inner, line) => {
    nested.push(...shellCommands(inner).map((command) => ({ ...command, line: line + command.line })));
  });
  const commands: ShellCommand[] = [];
  let words: string[] = [];
  let assignments: string[] = [];
  let redirections: string[] = [];
  let line = 0;
  let redirects = false;
  const end = () => {
    // "for NAME in WORDS" and "case" hold no command.
    if (words.length > 0 && words[0] !== "for" && words[0] !== "case") {
      commands.push({ line, words, redirections, assignments });
    }
    [words, assignments, redirections] = [[], [], []];
  };
  for (const token of tokens) {
    if (token.kind === "end") end();
    else if (token.kind === "redirection") redirects = true;
    else if (redirects) {
      redirections.push(token.text);
      redirects = false;
    } else if (words.length === 0 && RESERVED.has(token.text)) end();
    else if (words.length === 0 && /^[A-Za-z_]\w*=/.test(token.text)) assignments.push(token.text);
    else {
      if (words.length === 0) line = token.line;
      words.push(token.text);
    }
  }
  end();
  return [...commands, ...nested];
}

function tokensOf(script: string, nested: (inner: string, line: number) => void): Token[] {
  const tokens: Token[] = [];
  let word: string | undefined;
  let wordLine = 0;
  let line = 0;
  let hereEnd: string | undefined;
  const push = () => {
    if (word !== undefined) tokens.push({ kind: "word", text: word, line: wordLine });
    word = undefined;
  };
  const add = (text: string) => {
    if (word === undefined) wordLine = line;
    word = (word ?? "") + text;
    line += text.split("\n").length - 1;
  };
  for (let at = 0; at < script.length; at++) {
    const character = script[at] ?? "";
    const rest = script.slice(at);
    if (rest.startsWith("\\\n")) {
      at += 1;
      line += 1;
    } else if (character === "\\") {
      add(script[at + 1] ?? "");
      at += 1;
    } else if (character === "'") {
      const close = script.indexOf("'", at + 1);
      if (close === -1) throw new Error(`line ${line + 1}: a ' without its end`);
      add(script.slice(at + 1, close));
      at = close;
    } else if (character === '"') {
      const close = endOfDouble(script, at + 1, line);
      const inner = script.slice(at + 1, close);
      for (const substitution of substitutionsOf(inner)) nested(substitution, line);
      add(inner.replace(/\\(["\\$`])/g, "$1"));
      at = close;
    } else if (rest.startsWith("$(")) {
      const close = endOfParenthesis(script, at + 2, line);
      nested(script.slice(at + 2, close), line);
      add(script.slice(at, close + 1));
      at = close;
    } else if (character === "#" && word === undefined) {
      const stop = script.indexOf("\n", at);
      at = (stop === -1 ? script.length : stop) - 1;
    } else if (character === "\n") {
      push();
      tokens.push({ kind: "end" });
      line += 1;
      if (hereEnd !== undefined) {
        const body = script.slice(at + 1).split("\n");
        const length = body.findIndex((one) => one.trim() === hereEnd);
        if (length === -1) throw new Error(`line ${line}: no line ${hereEnd} ends what begins with <<`);
        at += body.slice(0, length + 1).join("\n").length + 1;
        line += length + 1;
        hereEnd = undefined;
      }
    } else if (/^\d?(?:<<|[<>])/.test(rest) && !(word !== undefined && /^\d/.test(rest))) {
      const [operator = ""] = /^\d?(?:<<<|<<-?|>>|>&|<&|<>|[<>])/.exec(rest) ?? [];
      push();
      if (/<<-?$/.test(operator)) hereEnd = /^ *['"]?(\w+)/.exec(script.slice(at + operator.length))?.[1];
      tokens.push({ kind: "redirection" });
      at += operator.length - 1;
    } else if (/[;&|]/.test(character)) {
      push();
      tokens.push({ kind: "end" });
    } else if (character === "(" || character === ")") {
      push();
      tokens.push({ kind: "end" });
    } else if (/\s/.test(character)) push();
    else add(character);
  }
  push();
  return tokens;
}

function endOfDouble(script: string, from: number, line: number): number {
  for (let at = from; at < script.length; at++) {
    if (script[at] === "\\") at += 1;
    else if (script.startsWith("$(", at)) at = endOfParenthesis(script, at + 2, line);
    else if (script[at] === '"') return at;
  }
  throw new Error(`line ${line + 1}: a " without its end`);
}

function endOfParenthesis(script: string, from: number, line: number): number {
  let depth = 1;
  for (let at = from; at < script.length; at++) {
    if (script[at] === "'") at = script.indexOf("'", at + 1);
    if (at === -1) break;
    if (script[at] === "(") depth += 1;
    if (script[at] === ")" && --depth === 0) return at;
  }
  throw new Error(`line ${line + 1}: a $( without its end`);
}

function substitutionsOf(text: string): string[] {
  const found: string[] = [];
  for (let at = text.indexOf("$("); at !== -1; at = text.indexOf("$(", at)) {
    const close = endOfParenthesis(text, at + 2, 0);
    found.push(text.slice(at + 2, close));
    at = close;
  }
  return found;
}
