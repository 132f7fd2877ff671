/** What the machine lacks, or holds otherwise than the build needs it: the message is complete, no stack is wanted. */
export class Refusal extends Error {}
