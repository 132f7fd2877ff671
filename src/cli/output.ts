import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "yellow" | "green";

/** Where a command writes. Standard output carries the answer, standard error what went wrong. */
export interface Output {
  line(text?: string): void;
  error(text: string): void;
  /** Colours the text where colour is wanted: a terminal, and NO_COLOR not set. */
  style(style: Style, text: string): string;
}

export function standardOutput(environment: Readonly<Record<string, string | undefined>>): Output {
  const coloured = process.stdout.isTTY === true && (environment.NO_COLOR ?? "") === "" && environment.TERM !== "dumb";
  return {
    line: (text = "") => void process.stdout.write(`${printable(text)}\n`),
    error: (text) => void process.stderr.write(`${printable(text)}\n`),
    style: (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** Names and tags come from outside: nothing in them may steer the terminal. Line breaks and colours pass. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character, at: number) => {
    const isColour = character === "\u001b" && /^\[\d{1,3}m/.test(text.slice(at + 1, at + 6));
    return character === "\n" || isColour ? character : "\ufffd";
  });
}
