import { pathToFileURL } from "node:url";
import { type Attachment, type Block, Pool } from "../src/pool/index.ts";
import { median } from "./median.ts";

/**
 * How long a lease and a release take together, by the number of addresses in the pool: the node's pods come and go one
 * after the other, and every address gets its turn. `bin/with-node bench/lease-time.ts` prints it.
 */

/** Pods that hold an address all the time: the same for all sizes, since what is measured is the effect of the size. */
const PODS = 20;
const ADDRESSES_PER_INTERFACE = 50;
/** Above this, a pool of one node CIDR is measured; below, one of secondary addresses. */
const MOST_SECONDARY_ADDRESSES = 3200;
const PAIRS_PER_BATCH = 2000;
const BATCHES = 301;

interface Subject {
  readonly size: number;
  runBatch(pairs: number): void;
}

/**
 * Median nanoseconds per lease and release, by size: 30 is one interface of secondary addresses, 750 is 15 of them, and
 * 60,000 is one /16 less its reserved addresses. Batches of all sizes take turns, so that a busy machine treats them alike.
 */
export function measureLeaseTime(
  sizes: readonly number[],
  { pods = () => PODS, batches = BATCHES }: { pods?: (size: number) => number; batches?: number } = {},
): Record<string, number> {
  const subjects = sizes.map((size) => makeSubject(size, pods(size)));
  // Once around all addresses, and long enough for the compiler to settle.
  for (const subject of subjects) subject.runBatch(Math.max(20_000, 2 * subject.size));
  const samples = new Map<Subject, number[]>(subjects.map((subject) => [subject, []]));
  for (let batch = 0; batch < batches; batch++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const subject = subjects[(batch + turn) % subjects.length];
      if (subject === undefined) continue;
      const startNs = process.hrtime.bigint();
      subject.runBatch(PAIRS_PER_BATCH);
      samples.get(subject)?.push(Number(process.hrtime.bigint() - startNs) / PAIRS_PER_BATCH);
    }
  }
  return Object.fromEntries(
    subjects.map((subject) => [String(subject.size), Math.round(median(samples.get(subject) ?? []))]),
  );
}

/** A pool of `size` addresses in which `pods` are leased, and each pair leases one more and releases the oldest. */
function makeSubject(size: number, pods: number): Subject {
  const pool = makePool(size);
  const pod = { namespace: "default", name: "web-7d4b9c6f5-x2x8p", uid: "9b0f1c52-5a0b-4f6e-8f3a-1f1f6c1d2e3f" };
  const attachments = Array.from({ length: 2 * pods + 64 }, (_, index) => makeAttachment(index));
  let next = 0;
  let nowMs = 0;
  const take = () => {
    const result = pool.lease(attachmentAt(attachments, next++), pod, nowMs);
    if (result.kind !== "leased") throw new Error(`lease ${next} of ${size} addresses: ${result.kind}`);
  };
  for (let count = 0; count < pods; count++) take();
  return {
    size,
    runBatch(pairs) {
      for (let pair = 0; pair < pairs; pair++) {
        nowMs++;
        pool.cool(nowMs);
        take();
        pool.release(attachmentAt(attachments, next - 1 - pods), nowMs, COOLING_MS);
      }
    },
  };
}

/** Shorter than the pairs that the smallest pool has addresses for: a pair takes a millisecond of the pool's time. */
const COOLING_MS = 5;

function makePool(size: number): Pool {
  const pool = new Pool();
  if (size > MOST_SECONDARY_ADDRESSES) {
    pool.upsertInterface({ id: "node", index: 0, usable: true });
    pool.addBlock(makeNodeCidr(size));
    return pool;
  }
  for (let index = 0; index < size; index++) {
    const device = Math.floor(index / ADDRESSES_PER_INTERFACE);
    const interfaceId = `eni-${device.toString(16).padStart(17, "0")}`;
    if (index % ADDRESSES_PER_INTERFACE === 0) pool.upsertInterface({ id: interfaceId, index: device, usable: true });
    pool.addBlock({ cidr: `${addressText(index)}/32`, interfaceId, kind: "address" });
  }
  return pool;
}

function makeNodeCidr(size: number): Block {
  const prefixLength = 32 - Math.ceil(Math.log2(size));
  const reserved = Array.from({ length: 2 ** (32 - prefixLength) - size }, (_, index) => addressText(index));
  return { cidr: `10.0.0.0/${prefixLength}`, interfaceId: "node", kind: "node-cidr", reserved };
}

function addressText(index: number): string {
  return `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}`;
}

function makeAttachment(index: number): Attachment {
  const containerId = index.toString(16).padStart(64, "0");
  return { network: "cilium", containerId, interfaceName: "eth0" };
}

function attachmentAt(attachments: readonly Attachment[], number: number): Attachment {
  const attachment = attachments[number % attachments.length];
  if (attachment === undefined) throw new Error(`no attachment ${number}`);
  return attachment;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = [30, 750, 60_000];
  const print = (title: string, figures: Record<string, number>) => {
    const base = figures[String(sizes[0])] ?? Number.NaN;
    console.log(`\n${title}\naddresses   ns per lease + release   ratio`);
    for (const [size, ns] of Object.entries(figures)) {
      console.log(`${size.padStart(9)}${String(ns).padStart(25)}${(ns / base).toFixed(2).padStart(8)}`);
    }
  };
  print(`${PODS} pods at every size`, measureLeaseTime(sizes));
  // What the processor's caches and the garbage collector take when the pods, not the addresses, become many.
  print("half of the addresses leased: 15, 375 and 30,000 pods", measureLeaseTime(sizes, { pods: (size) => size / 2 }));
}
