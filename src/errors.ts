import { catalogue, type ErrorEntry } from "./error-catalogue/index.ts";

export { catalogue, type ErrorEntry };

export type ErrorCode = keyof typeof catalogue;

export type ErrorValues = Readonly<Record<string, string | number>>;

/** An error of the catalogue with its values. `message` is complete: what happened, then what to do. */
export class EnidError extends Error {
  readonly code: ErrorCode;
  readonly values: ErrorValues;
  /** Further facts for logs and `--json`; never secrets. */
  readonly details: unknown;

  constructor(code: ErrorCode, values: ErrorValues = {}, options: { cause?: unknown; details?: unknown } = {}) {
    super(fill(catalogue[code].message, values), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "EnidError";
    this.code = code;
    this.values = values;
    this.details = options.details;
  }

  get entry(): ErrorEntry {
    return catalogue[this.code];
  }

  get remedy(): string {
    return fill(this.entry.remedy, this.values);
  }

  toJSON(): { code: ErrorCode; message: string; remedy: string; details?: unknown } {
    return {
      code: this.code,
      message: this.message,
      remedy: this.remedy,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** Any thrown thing as an EnidError; what is not one already becomes ENID_INTERNAL with the original as its cause. */
export function coerceError(thrown: unknown): EnidError {
  if (thrown instanceof EnidError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new EnidError("ENID_INTERNAL", { detail }, { cause: thrown });
}

function fill(template: string, values: ErrorValues): string {
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    return value === undefined ? placeholder : String(value);
  });
}
