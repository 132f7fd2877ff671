import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../build.ts";
import { type Platform, stripFile } from "./platform.ts";
import { isOnPath, runTool } from "./run-tool.ts";

export type CLibrary = "musl" | "glibc";

const PROGRAM_HEADER_INTERPRETER = 3;

/** Builds enid-ipam for the platform at `file`. Undefined: no compiler for it is installed, which is said. */
export function makePlugin(platform: Platform, file: string, say: (line: string) => void): CLibrary | undefined {
  const { compilers, name } = platform;
  const compiler = compilers.find(isOnPath);
  if (compiler === undefined) {
    say(`${name}: none of ${compilers.join(", ")} is installed: enid-ipam is missing in this release`);
    return undefined;
  }
  if (!compiler.includes("musl"))
    say(`${name}: ${compilers[0]} is not installed: enid-ipam is linked with glibc, starts slower`);
  runTool("/bin/sh", [join(ROOT, "native", "build.sh"), file], { env: { ...process.env, CC: compiler } });
  stripFile(platform, file, say);
  if (needsInterpreter(readFileSync(file))) say(`${name}: no static C library here: enid-ipam needs that of the node`);
  return compiler.includes("musl") ? "musl" : "glibc";
}

/** Whether the ELF file (64 bit, little endian) names a dynamic linker: it is not static. */
export function needsInterpreter(elf: Buffer): boolean {
  const [start, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => elf.readUInt32LE(start + index * size)).includes(
    PROGRAM_HEADER_INTERPRETER,
  );
}
