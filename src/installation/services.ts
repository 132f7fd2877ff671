import { EnidError } from "../errors.ts";
import { ENVIRONMENT_FILE, EXECUTABLE, SERVICE, SERVICE_UNIT } from "./layout.ts";
import type { Programs } from "./programs.ts";

/** A command that was run for the services of the machine. */
export interface ServiceStep {
  readonly command: string;
  /** Why it failed; empty when it did not. */
  readonly failed: string;
}

const UNITS = "/etc/systemd/system/";
const SYSCTL = "/etc/sysctl.d/99-zzz-enid.conf";

/**
 * Has the machine's services take up the files that were changed, and starts enid: none of it where nothing is to do. What fails
 * of the network's services is told; they take up their files at the next boot.
 *
 * @throws EnidError ENID_INSTALL_SERVICE: systemd does not take up enid's unit, or does not start it.
 */
export async function startServices(programs: Programs, changed: readonly string[]): Promise<readonly ServiceStep[]> {
  const steps: ServiceStep[] = [];
  const run = async (program: string, ...args: string[]): Promise<string> => {
    const { code, text } = await programs(program, args);
    const failed = code === 0 ? "" : text || `exit code ${code}`;
    const command = [program, ...args].join(" ");
    steps.push({ command, failed });
    return failed;
  };
  const need = async (...args: string[]): Promise<void> => {
    const detail = await run("systemctl", ...args);
    if (detail !== "") throw new EnidError("ENID_INSTALL_SERVICE", { command: `systemctl ${args.join(" ")}`, detail });
  };
  const has = (test: (path: string) => boolean) => changed.some(test);

  if (has((path) => path.startsWith("/etc/udev/rules.d/"))) {
    await run("udevadm", "control", "--reload-rules");
    await run("systemctl", "stop", "policy-routes@*.service", "refresh-policy-routes@*.timer");
  }
  if (has((path) => /^\/etc\/systemd\/network\/(?!.*\.link\.d)/.test(path))) await run("networkctl", "reload");
  if (has((path) => path.startsWith("/etc/NetworkManager/")))
    await run("systemctl", "reload", "NetworkManager.service");
  if (has((path) => path === SYSCTL)) await run("/usr/lib/systemd/systemd-sysctl", SYSCTL);

  if (has((path) => path.startsWith(UNITS))) await need("daemon-reload");
  const asks = async (question: string) => (await programs("systemctl", [question, "--quiet", SERVICE])).code === 0;
  if (!(await asks("is-active")) || !(await asks("is-enabled"))) await need("enable", "--now", SERVICE);
  else if (has((path) => [EXECUTABLE, SERVICE_UNIT, ENVIRONMENT_FILE].includes(path))) await need("restart", SERVICE);
  return steps;
}

/** Stops enid for good. @throws EnidError ENID_INSTALL_SERVICE. */
export async function stopService(programs: Programs): Promise<ServiceStep> {
  const command = `systemctl disable --now ${SERVICE}`;
  const { code, text } = await programs("systemctl", ["disable", "--now", SERVICE]);
  if (code !== 0) throw new EnidError("ENID_INSTALL_SERVICE", { command, detail: text || `exit code ${code}` });
  return { command, failed: "" };
}
