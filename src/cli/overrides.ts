import path from "node:path";
import type { Clock } from "../adapters/index.ts";
import type { SettingName, Settings } from "../configuration/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { Change, StoredState } from "../manager/index.ts";
import { type DaemonClient, daemonClient } from "./client.ts";

/** Where an override was written: the running daemon applied it, or it waits in the state for the next start. */
export interface OverrideResult {
  readonly settings: Settings;
  readonly name: SettingName;
  readonly writtenTo: "daemon" | "state";
}

export interface OverrideOptions {
  readonly socket: string;
  readonly stateDir: string;
  readonly clock: Clock;
}

/** The file of the state within --state-dir. */
export const STATE_FILE = "state.db";

/** "pre-allocate=16" through the daemon; without one, into the state under its lock. */
export async function setOverride(assignment: string, options: OverrideOptions): Promise<OverrideResult> {
  const { parseOverride } = await import("../configuration/index.ts");
  // Read here first: a misspelt name gets the same answer with and without a daemon.
  const { name, value } = parseOverride(assignment);
  const wanted = { kind: "override-put", name, value, setAtMs: options.clock.nowMs() } as const;
  return change(name, wanted, options, (daemon) => daemon.request<Settings>("PUT", "/v1/overrides", { assignment }));
}

/** Takes the override of that setting back, in the same way. */
export async function unsetOverride(text: string, options: OverrideOptions): Promise<OverrideResult> {
  const { settingName } = await import("../configuration/index.ts");
  const name = settingName(text);
  return change(name, { kind: "override-remove", name }, options, (daemon) =>
    daemon.request<Settings>("DELETE", `/v1/overrides/${encodeURIComponent(name)}`),
  );
}

type OverrideChange = Extract<Change, { kind: "override-put" | "override-remove" }>;

async function change(
  name: SettingName,
  wanted: OverrideChange,
  { socket, stateDir, clock }: OverrideOptions,
  ask: (daemon: DaemonClient) => Promise<Settings>,
): Promise<OverrideResult> {
  try {
    return { settings: await ask(daemonClient(socket, clock)), name, writtenTo: "daemon" };
  } catch (thrown) {
    if (!nobodyListens(coerceError(thrown))) throw thrown;
  }
  return { settings: await changeState(path.join(stateDir, STATE_FILE), wanted, clock), name, writtenTo: "state" };
}

/** A daemon that is slow or refuses still owns the state; only where none is may the state be opened beside it. */
function nobodyListens(error: EnidError): boolean {
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  return error.code === "ENID_DAEMON_UNREACHABLE" && (code === "ENOENT" || code === "ECONNREFUSED");
}

async function changeState(file: string, wanted: OverrideChange, clock: Clock): Promise<Settings> {
  const { openSqliteStore } = await import("../state/index.ts");
  const store = openSqliteStore({ file, clock });
  try {
    const settings = await settingsAfter(store.load(), wanted);
    await store.commit([wanted]);
    return settings;
  } finally {
    await store.close();
  }
}

/** @throws EnidError ENID_SETTING_INVALID when the value conflicts with another setting. */
async function settingsAfter(state: StoredState, wanted: OverrideChange): Promise<Settings> {
  const { checkSettings, effectiveSettings, readConfiguration } = await import("../configuration/index.ts");
  const { [wanted.name]: _before, ...others } = state.overrides;
  const overrides = wanted.kind === "override-put" ? { ...others, [wanted.name]: wanted } : others;
  const stored = state.configuration;
  const configuration =
    stored === undefined ? undefined : readConfiguration(new TextEncoder().encode(stored.text), stored.file);
  const settings = effectiveSettings(configuration, overrides, state.profiles);
  if (wanted.kind === "override-remove") return settings;
  const [problem] = checkSettings(settings);
  if (problem === undefined) return settings;
  const value = JSON.stringify(wanted.value);
  throw new EnidError("ENID_SETTING_INVALID", { name: wanted.name, value, allowed: problem.message });
}
