import type { Configuration, Notice, Place, Problem, SettingName, Settings } from "../../configuration/index.ts";
import type { EnidError } from "../../errors.ts";
import type { Output } from "../output.ts";
import { plural, table } from "./text.ts";

/** What `enid validate` found of one file. */
export type Validation =
  | { readonly file: string; readonly valid: true; readonly configuration: Configuration; readonly settings: Settings }
  | { readonly file: string; readonly valid: false; readonly error: EnidError; readonly text: string };

/** One file for a person: each problem with its line and a caret, or what the file says. */
export function renderValidation(validation: Validation, style: Output["style"]): string[] {
  if (validation.valid) return valid(validation.configuration, style);
  const { file, error, text } = validation;
  const problems = problemsOf(error);
  if (problems.length === 0) return [`${style("red", "invalid")} ${error.message}`, `  ${error.code}: ${error.remedy}`];
  return [
    `${style("red", "invalid")} ${file}: ${plural(problems.length, "problem", "problems")} (${error.code})`,
    ...problems.flatMap((problem) => [`  ${problem.message}`, ...excerpt(problem.place, text, style)]),
  ];
}

/** The JSON of one file: what is wrong with places, or everything that the file makes of the settings. */
export function validationJson(validation: Validation): unknown {
  const { file } = validation;
  if (!validation.valid) return { file, valid: false, error: validation.error };
  const { form, network, cniVersion, facts, notices } = validation.configuration;
  return { file, valid: true, form, network, cniVersion, facts, notices, settings: validation.settings };
}

function valid(configuration: Configuration, style: Output["style"]): string[] {
  const { file, form, network, values, places, notices } = configuration;
  const named = network === "" ? "" : `, network ${network}`;
  const names = Object.keys(values) as SettingName[];
  return [
    `${style("green", "valid")} ${file} (${form === "list" ? "a list" : "a single network configuration"}${named})`,
    ...table(names.map((name) => [`  ${name}`, position(places[name]), JSON.stringify(values[name])])),
    ...(names.length === 0 ? ["  says nothing about enid's settings: all defaults"] : []),
    ...notices.map((notice) => `  ${noticeText(notice, style)}`),
  ];
}

function noticeText({ place, message }: Notice, style: Output["style"]): string {
  return `${style("yellow", "notice")} ${place.file}:${place.line}:${place.column}: ${message}`;
}

function position(place: Place | undefined): string {
  return place === undefined ? "" : `line ${place.line}`;
}

function problemsOf(error: EnidError): readonly Problem[] {
  return Array.isArray(error.details) ? (error.details as readonly Problem[]) : [];
}

const EXCERPT_CHARACTERS = 100;

/** The line of the place, cut around it, and a caret under the column. */
function excerpt({ line, column }: Place, text: string, style: Output["style"]): string[] {
  const whole = text.split(/\r\n|\n|\r/)[line - 1];
  if (whole === undefined || whole.trim() === "") return [];
  const start = Math.max(0, Math.min(column - 1 - EXCERPT_CHARACTERS / 2, whole.length - EXCERPT_CHARACTERS));
  // Every control character becomes one blank, so that the caret stays under its column and nothing steers the terminal.
  const shown = whole.slice(start, start + EXCERPT_CHARACTERS).replace(/[\p{Cc}\p{Cf}]/gu, " ");
  return [`    | ${shown}`, `    | ${" ".repeat(Math.max(0, column - 1 - start))}${style("red", "^")}`];
}
