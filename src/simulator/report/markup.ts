/** HTML that is safe to write out. Made only by `html`, `raw` and `join`. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Markup | readonly Markup[];

/** HTML from a template: every value in it that is not markup itself is escaped. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const written = values.map((value) => {
    if (value instanceof Markup) return value.text;
    return typeof value === "object" ? value.map(({ text }) => text).join("\n") : escaped(String(value));
  });
  return new Markup(parts.map((part, index) => part + (written[index] ?? "")).join(""));
}

/** Text that is HTML already, from this room itself. */
export function raw(text: string): Markup {
  return new Markup(text);
}

/** Data for a script, in a form in which nothing can end the element it stands in. */
export function jsonData(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => unicodeEscape(character)));
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
