import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const LIMIT_MS = 15 * 60_000;
const POLL_MS = 200;

/**
 * Runs `work` while no other process runs it with the same lock file. Waits for the other one, at most 15 minutes; a lock
 * whose process is gone is taken over. `say` is told once when there is somebody to wait for.
 */
export function withLock(file, say, work) {
  acquire(file, say);
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

function acquire(file, say) {
  mkdirSync(dirname(file), { recursive: true });
  const deadlineMs = Date.now() + LIMIT_MS;
  let told = false;
  while (!create(file)) {
    const holder = holderOf(file);
    if (holder !== undefined && !isAlive(holder)) {
      takeAway(file, holder);
      continue;
    }
    if (Date.now() > deadlineMs) throw new Error(`process ${holder} holds ${file} for more than 15 minutes; end it`);
    if (!told) say(`waiting for process ${holder}, which prepares this folder`);
    told = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function create(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined: the lock was given back just now, or is being written. */
function holderOf(file) {
  try {
    return Number(readFileSync(file, "utf8")) || undefined;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Moves the dead process's lock aside. If another waiter was quicker, the lock moved is a living one: it goes back. */
function takeAway(file, dead) {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (holderOf(aside) === dead) rmSync(aside);
    else renameSync(aside, file);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
