/** Why the pool refuses; nothing was changed when it does. */
export const POOL_REFUSALS = [
  "not-canonical", // a CIDR that is not canonical text, or not of addresses that a pod can have
  "wrong-size", // the prefix length does not fit the kind of block
  "bad-reservation", // reserved addresses that the block cannot have
  "overlap", // the addresses belong to another block, or the block is there in another form
  "too-many-blocks", // of IPv6
  "unknown-interface",
  "interface-has-blocks",
  "unknown-block",
  "block-in-use", // an address of it is leased or cooling
  "unknown-address", // no block holds it, or it is not of the family that it must be of
  "address-not-free",
  "attachment-leased", // the attachment has another address, or others
] as const;
export type PoolRefusal = (typeof POOL_REFUSALS)[number];

/** The pool refused a change, because one of its promises would be broken. */
export class PoolError extends Error {
  readonly refusal: PoolRefusal;

  constructor(refusal: PoolRefusal, message: string) {
    super(message);
    this.name = "PoolError";
    this.refusal = refusal;
  }
}
