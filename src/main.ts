import { runCommandLine } from "./cli/index.ts";

// `enid status | head` closes the pipe early: that is not an error worth a stack trace.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

// The exit code is set, not forced: what was written still reaches a slow pipe. No `await`: the executable is CommonJS.
runCommandLine(process.argv.slice(2), process.env).then((code) => {
  process.exitCode = code;
});
