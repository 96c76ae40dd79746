/** What the page must know of its gateway: the answer of `GET /playground/setup`. */
export interface PlaygroundSetup {
  /** Set only by `sallyport dev`. If it is set, the gateway serves the development calls (see `devEndpoints`). */
  readonly dev?: DevSetup | undefined;
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
