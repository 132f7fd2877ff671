import type { World } from "./state.ts";

/** A locally administered MAC address, as EC2 gives them. */
export function drawMac(world: Pick<World, "random">): string {
  const digits = world.random.id().replaceAll("-", "").slice(0, 10);
  return `02:${digits.match(/../g)?.join(":") ?? ""}`;
}
