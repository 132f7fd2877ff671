export const ECHO_PORT = 7_007;

export type AgentCommand =
  | { readonly kind: "exchange"; readonly host: string; readonly bytes: number }
  | { readonly kind: "stream"; readonly host: string }
  | { readonly kind: "progress"; readonly stream: number }
  | { readonly kind: "end"; readonly stream: number };

/** `id` 0: the agent listens. */
export interface AgentReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export interface StreamProgress {
  /** Messages that came back. */
  echoed: number;
  /** Empty while the connection lives. */
  brokenBy: string;
}
