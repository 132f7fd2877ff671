export { secretsIn } from "./secrets.ts";
export {
  type Placeholder,
  placeholdersOf,
  SYSTEMS,
  type System,
  USER_DATA_LIMIT_BYTES,
  type UserData,
  type UserDataValues,
  userData,
} from "./user-data.ts";
