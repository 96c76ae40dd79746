import type { DeviceKeyAlgorithm } from "../../core/keys.ts";

/** What the page must know of its gateway: the answer of `GET /playground/setup`. */
export interface PlaygroundSetup extends GatewayFacts {
  /** Set only by `sallyport dev`. If it is set, the gateway serves the development calls (see `devEndpoints`). */
  readonly dev?: DevSetup | undefined;
}

/** Settings of the gateway at its start. */
export interface GatewayFacts {
  /** The algorithms of device keys that a login may register, at least one. */
  readonly key_algorithms: readonly DeviceKeyAlgorithm[];
  readonly limits: SizeLimits;
}

/** Maximum sizes, in bytes. The metadata `limit_bytes` of a refusal shows which maximum was exceeded. */
export interface SizeLimits {
  /** Of the body of a call: part of check 0. */
  readonly request_bytes_max: number;
  /** Of the payload: part of check 1. A route may have a smaller maximum, which is part of check 8. */
  readonly payload_bytes_max: number;
}

export interface DevSetup {
  /** The message types that the gateway routes, in the order of the configuration. */
  readonly routes: readonly SetupRoute[];
  readonly freshness_window_ms: number;
  readonly freshness_margin_ms: number;
  /** The budgets of check 7 by scope. `rate` is in tokens per second. `burst` is the maximum number of tokens in the bucket. */
  readonly budgets: Readonly<Record<"ip" | "session" | "user", { readonly rate: number; readonly burst: number }>>;
}

export interface SetupRoute {
  readonly message_type: string;
  readonly method: string;
  readonly path: string;
}
