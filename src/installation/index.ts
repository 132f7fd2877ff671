export type { Check, NodeIdentity, Probes } from "./checks.ts";
export { type Disk, diskBelow } from "./disk.ts";
export { type InstallOptions, type InstallReport, install, type Machine } from "./install.ts";
export { withLock } from "./lock.ts";
export type { FileAction, FileChange } from "./placing.ts";
export { machinePrograms, type Programs } from "./programs.ts";
export { findSources, type Sources } from "./sources.ts";
export { type Removal, type UninstallOptions, type UninstallReport, uninstall } from "./uninstall.ts";
