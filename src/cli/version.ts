import packageJson from "../../package.json" with { type: "json" };

/** The version of this enid. */
export const VERSION: string = packageJson.version;
