/** One error of the catalogue. */
export interface ErrorEntry {
  /** What happened. `{name}` is replaced by the value of that name. */
  readonly message: string;
  /** What the operator should do. Same placeholders. */
  readonly remedy: string;
  /** The code of a CNI answer that carries this error: 7 bad configuration, 11 try again later, 50/51 STATUS, 100+ own. */
  readonly cni?: number;
  /** Exit code of a command that ends with it: 1 failed, 2 wrong usage, 3 invalid configuration, 4 no daemon. */
  readonly exit: number;
}
