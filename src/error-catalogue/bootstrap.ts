import type { ErrorEntry } from "./entry.ts";

/** Of user data for instances. */
export const bootstrapErrors = {
  ENID_USER_DATA_VALUE: {
    message: 'user data: {name} cannot be "{value}"; allowed is {allowed}',
    remedy: "Give the flag of that name: `enid user-data --help` has them.",
    exit: 2,
  },
  ENID_USER_DATA_SECRET: {
    message: "{file} has what looks like a secret at {places}; user data can be read by all that runs on the node",
    remedy:
      "Take it out. Passwords are in files that the configuration names; --redis-secret has the node fetch the one of the fleet's store from Secrets Manager.",
    exit: 3,
  },
  ENID_USER_DATA_TOO_LARGE: {
    message: "user data has {bytes} bytes, {gzippedBytes} through gzip; EC2 takes at most {limitBytes}",
    remedy: "Shorten the configuration: the script itself has about 5,000 bytes.",
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>;
