import type { Origin, SettingName, Settings } from "../../configuration/index.ts";
import type { OverrideOptions, OverrideResult } from "../overrides.ts";
import { moment, table } from "./text.ts";

/** Every setting with where it comes from and its value, which may be long. */
export function renderSettings(settings: Settings): string[] {
  const names = Object.keys(settings.values) as SettingName[];
  return table([
    ["SETTING", "FROM", "VALUE"],
    ...names.map((name) => [name, originText(settings.origins[name]), JSON.stringify(settings.values[name])]),
  ]);
}

/** The setting as it is after `enid set` or `enid unset`, and when that counts. */
export function renderOverride({ settings, name, writtenTo }: OverrideResult, options: OverrideOptions): string {
  const line = `${name} = ${JSON.stringify(settings.values[name])} (${originText(settings.origins[name])})`;
  if (writtenTo === "daemon") return line;
  return `${line}\nno daemon answers on ${options.socket}: written to the state in ${options.stateDir}; it takes effect when enid starts`;
}

export function overrideJson({ settings, name, writtenTo }: OverrideResult): string {
  return JSON.stringify({ name, value: settings.values[name], origin: settings.origins[name], writtenTo });
}

function originText(origin: Origin): string {
  if (origin.kind === "default") return "default";
  if (origin.kind === "fleet") return `fleet profile ${origin.profile}`;
  if (origin.kind === "override") return `override, set ${moment(origin.setAtMs)}`;
  return `${origin.place.file}:${origin.place.line}:${origin.place.column}`;
}
