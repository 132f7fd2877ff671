export { type BirdOptions, type BirdPauses, createBird } from "./bird.ts";
export { type BirdConfInput, birdConf, type UplinkPassword } from "./bird-conf.ts";
export { replaceFile } from "./owned-file.ts";
export { readPasswordFile } from "./password-file.ts";
