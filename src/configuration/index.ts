export { defaultSettings } from "./defaults.ts";
export { type ActualFacts, compareFacts, type FactDifference } from "./facts.ts";
export { isMissing, readConfigurationBytes, readConfigurationFile } from "./file.ts";
export { contains, formatRange, type IpRange, overlap, parseRange } from "./ip-range.ts";
export { type Override, parseOverride, settingName } from "./overrides.ts";
export type { Problem } from "./problems.ts";
export {
  DEFAULT_PROFILE,
  type Profile,
  type ProfileSubject,
  profileProblems,
  profileSettingNames,
  profilesFor,
  whyNotInProfile,
} from "./profiles.ts";
export { readConfiguration } from "./read.ts";
export { renderKeyTables, updateKeyTables, updateSettingsTable } from "./reference.ts";
export { gatewayOf, IPV6_WINDOW, reservedIn } from "./reserved.ts";
export { type KeySchema, keySchemas, settingNames, settingSchema } from "./schema.ts";
export {
  checkSettings,
  type Environment,
  effectiveSettings,
  environmentOf,
  type Overrides,
  originText,
  overrideProblems,
  prefixModeOf,
  type SettingsSelection,
  selectionOf,
} from "./settings.ts";
export { FILE_LIMIT_BYTES } from "./source-text.ts";
export * from "./types.ts";
export { type ConfigurationChange, type WatchOptions, watchConfiguration } from "./watch.ts";
