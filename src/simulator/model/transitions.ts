/** What time brings: attachments become `attached`, detached interfaces become `available`. */
import { findInterface, putInterface, type Transition, type World } from "./state.ts";

/** Puts every due change in force, in order. A stuck kind waits until it is released. */
export function advance(world: World): void {
  const { state, settings, nowMs } = world;
  const isHeld = (transition: Transition) =>
    transition.kind === "attached" ? settings.attachStuck : settings.detachStuck;
  const due = state.transitions.filter((transition) => transition.dueMs <= nowMs && !isHeld(transition));
  if (due.length === 0) return;
  state.transitions.splice(0, Infinity, ...state.transitions.filter((transition) => !due.includes(transition)));
  for (const transition of due) complete(world, transition);
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
