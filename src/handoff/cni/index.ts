/** The CNI hand-off: serves the plugin executable `enid-ipam` (native/) over a Unix socket. docs/cni.md describes it. */
export type { CniAnswer } from "./answers.ts";
export type { CniCall } from "./call.ts";
export { deletionFiles, deletionFolder } from "./deletion-files.ts";
export type { DeletionQueue, QueuedFile } from "./deletion-queue.ts";
export { type DeletionWatch, watchDeletions } from "./deletion-watch.ts";
export { type DeletionOptions, type ReplayReport, replayDeletions } from "./deletions.ts";
export { createMemoryDeletionQueue, type MemoryDeletionQueue } from "./memory-deletions.ts";
export { createMemorySandboxes, type MemorySandboxes } from "./memory-sandboxes.ts";
export type { AddAnswer, AddRequest, LeaseService } from "./port.ts";
export { type CniOptions, cniRoutes } from "./routes.ts";
export { type StatPath, sandboxesOnDisk } from "./sandboxes.ts";
export { type Served, serveCall } from "./serve.ts";
export { listenOnSocket } from "./socket.ts";
export { CNI_VERSIONS, type CniVersion } from "./versions.ts";
