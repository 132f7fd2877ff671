/** The changes that time brings to attachments, in order of their moments. */
import { Heap } from "./heap.ts";

export interface Transition {
  readonly dueMs: number;
  readonly kind: "attached" | "detached";
  readonly interfaceId: string;
  readonly attachmentId: string;
}

interface Entry {
  readonly transition: Transition;
  /** Of two at one moment, the one that was entered first comes first. */
  readonly sequence: number;
}

/** One heap per kind, so that a kind that is held stands in nobody's way. */
export class Agenda {
  readonly #attached = new Heap<Entry>(isEarlier);
  readonly #detached = new Heap<Entry>(isEarlier);
  #sequence = 0;

  get size(): number {
    return this.#attached.size + this.#detached.size;
  }

  add(transition: Transition): void {
    this.#sequence += 1;
    this.#of(transition.kind).add({ transition, sequence: this.#sequence });
  }

  /** Takes what is due, earliest first, without the kinds that are held. */
  takeDue(nowMs: number, held: { readonly attached: boolean; readonly detached: boolean }): readonly Transition[] {
    const taken: Transition[] = [];
    for (;;) {
      const attached = held.attached ? undefined : due(this.#attached, nowMs);
      const detached = held.detached ? undefined : due(this.#detached, nowMs);
      const next =
        attached && detached ? (isEarlier(attached, detached) ? attached : detached) : (attached ?? detached);
      if (!next) return taken.length === 0 ? NONE : taken;
      this.#of(next.transition.kind).takeFirst();
      taken.push(next.transition);
    }
  }

  #of(kind: Transition["kind"]): Heap<Entry> {
    return kind === "attached" ? this.#attached : this.#detached;
  }
}

const NONE: readonly Transition[] = [];

function due(heap: Heap<Entry>, nowMs: number): Entry | undefined {
  const first = heap.first();
  return first && first.transition.dueMs <= nowMs ? first : undefined;
}

function isEarlier(one: Entry, other: Entry): boolean {
  const byMoment = one.transition.dueMs - other.transition.dueMs;
  return byMoment < 0 || (byMoment === 0 && one.sequence < other.sequence);
}
