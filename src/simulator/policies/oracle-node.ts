import type { Attachment, Lease, Pod } from "../../pool/index.ts";
import { SimulatedError } from "../index.ts";
import type { NodeContext } from "../scenario/index.ts";
import { assignedOf } from "./answers.ts";
import type { Chain, OracleCentral } from "./oracle-central.ts";
import { AHEAD, STARTING, type Urgency, WAITING } from "./oracle-queue.ts";
import { type Leases, PeerPool } from "./peer-pool.ts";
import { addressesToBeReady, neededAddresses, type PeerSettings, peerSettings } from "./peer-settings.ts";

/** After a refusal by EC2. */
const PAUSE_MS = 10_000;

interface HeldInterface {
  readonly deviceIndex: number;
  readonly addresses: string[];
  /** Addresses that are on their way to it. */
  coming: number;
}

/** One node of the clairvoyant: what it holds, what is on its way, and what it asks for. */
export class OracleNode {
  readonly context: NodeContext;
  readonly settings: PeerSettings;
  readonly #central: OracleCentral;
  readonly #interfaces = new Map<string, HeldInterface>();
  readonly #chains = new Set<Chain>();
  readonly #newIndexes = new Set<number>();
  #pool: PeerPool;
  #comingOnNew = 0;
  #pausedUntilMs = 0;
  /** Called when addresses came. */
  onGrown: () => void = () => undefined;
  /** Pods that wait for an address. */
  waiting = 0;

  constructor(central: OracleCentral, context: NodeContext, leases: Leases) {
    this.#central = central;
    this.context = context;
    this.settings = peerSettings(context);
    this.#pool = new PeerPool(leases, 0);
    for (const one of central.cloud.interfacesOf(context.instanceId)) {
      const { attachment, interfaceType, requesterManaged } = one;
      if (attachment === undefined) continue;
      this.#newIndexes.add(attachment.deviceIndex);
      const isOurs = interfaceType === "interface" && !requesterManaged;
      if (!isOurs || attachment.deviceIndex < this.settings.firstInterfaceIndex) continue;
      this.#hold(one.id, attachment.deviceIndex, one.secondaryAddresses);
    }
  }

  get pool(): PeerPool {
    return this.#pool;
  }

  /** The machine booted: no pod of before has its address any more. */
  reboot(leases: Leases): void {
    this.#pool = new PeerPool(leases, 0);
    for (const [id, { addresses }] of this.#interfaces) for (const address of addresses) this.#pool.add(id, address);
  }

  lease(attachment: Attachment, pod: Pod): Lease | undefined {
    return this.#pool.lease(attachment, pod, this.context.clock.nowMs());
  }

  /** Asks for what is lacking, as much as an interface takes in one call; hurries what is on its way if pods wait. */
  plan(): void {
    if (this.#central.clock.monotonicMs() < this.#pausedUntilMs) return;
    const urgency = this.#urgency();
    for (const chain of this.#chains) chain.hurry(urgency);
    const { used } = this.#pool;
    while (neededAddresses(this.settings, this.#held(), used + this.waiting) > 0) {
      if (!this.#fill(urgency) && !this.#create(urgency)) return;
    }
  }

  /** Addresses here and on their way. */
  #held(): number {
    let coming = this.#comingOnNew;
    for (const one of this.#interfaces.values()) coming += one.coming;
    return this.#pool.total + coming;
  }

  #urgency(): Urgency {
    if (this.waiting > 0) return WAITING;
    return this.#pool.total >= addressesToBeReady(this.settings) ? AHEAD : STARTING;
  }

  /** False when no interface has room. */
  #fill(urgency: Urgency): boolean {
    for (const [id, held] of this.#interfaces) {
      const room = this.settings.slotsPerInterface - held.addresses.length - held.coming;
      const count = Math.min(room, this.settings.maxAllocate - this.#held());
      if (count <= 0) continue;
      held.coming += count;
      const parameters = { NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: count };
      const wish = this.#central.wish("AssignPrivateIpAddresses", urgency, parameters);
      void this.#follow(
        wish,
        wish.answer,
        () => {
          held.coming -= count;
        },
        (answer) => this.#hold(id, held.deviceIndex, assignedOf(answer)),
      );
      return true;
    }
    return false;
  }

  /** False when the instance takes no further interface. */
  #create(urgency: Urgency): boolean {
    let index = this.settings.firstInterfaceIndex;
    while (this.#newIndexes.has(index)) index += 1;
    if (this.#newIndexes.size >= this.settings.maxInterfaces) return false;
    const count = Math.min(this.settings.slotsPerInterface, this.settings.maxAllocate - this.#held());
    this.#newIndexes.add(index);
    this.#comingOnNew += count;
    const { chain, grown } = this.#central.grow(this.context, this.settings, index, count, urgency);
    void this.#follow(
      chain,
      grown,
      () => {
        this.#comingOnNew -= count;
      },
      ({ interfaceId, deviceIndex, addresses }) => this.#hold(interfaceId, deviceIndex, addresses),
      () => {
        this.#newIndexes.delete(index);
      },
    );
    return true;
  }

  async #follow<Answer>(
    chain: Chain,
    answer: Promise<Answer>,
    ended: () => void,
    succeeded: (answer: Answer) => void,
    failed: () => void = () => undefined,
  ): Promise<void> {
    this.#chains.add(chain);
    try {
      const come = await answer;
      ended();
      succeeded(come);
      this.onGrown();
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError)) throw thrown;
      ended();
      failed();
      this.#central.log(`refused: ${thrown.code}`, this.context);
      this.#pausedUntilMs = this.#central.clock.monotonicMs() + PAUSE_MS;
      this.#central.clock.after(PAUSE_MS, () => this.plan());
    } finally {
      this.#chains.delete(chain);
    }
    this.plan();
  }

  #hold(interfaceId: string, deviceIndex: number, addresses: readonly string[]): void {
    const held = this.#interfaces.get(interfaceId) ?? { deviceIndex, addresses: [], coming: 0 };
    this.#interfaces.set(interfaceId, held);
    held.addresses.push(...addresses);
    for (const address of addresses) this.#pool.add(interfaceId, address);
  }
}
