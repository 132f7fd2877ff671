/** What time brings: attachments become `attached`, detached interfaces become `available`. */
import type { Transition } from "./agenda.ts";
import { findInterface, putInterface, type World } from "./state.ts";

/** Puts every due change in force, in order. A stuck kind waits until it is released. */
export function advance(world: World): void {
  const { state, settings, nowMs } = world;
  if (state.agenda.size === 0) return;
  const held = { attached: settings.attachStuck, detached: settings.detachStuck };
  for (const transition of state.agenda.takeDue(nowMs, held)) complete(world, transition);
}

/** The interface without its attachment, at once. */
export function detachNow(world: World, interfaceId: string): void {
  const found = findInterface(world.state, interfaceId);
  if (!found?.attachment) return;
  world.state.attachments.delete(found.attachment.id);
  putInterface(world, { ...found, status: "available", attachment: undefined });
}

function complete(world: World, transition: Transition): void {
  const found = findInterface(world.state, transition.interfaceId);
  if (found?.attachment?.id !== transition.attachmentId) return;
  if (transition.kind === "detached") detachNow(world, found.id);
  else if (found.attachment.status === "attaching") {
    putInterface(world, { ...found, attachment: { ...found.attachment, status: "attached" } });
  }
}
