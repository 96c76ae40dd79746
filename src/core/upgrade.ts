/** What an upgrade replaces. `all`: every process. `workers`: only the workers. New workers run the supervisor's executable. */
export type UpgradeScope = "all" | "workers";

/** The outcome of a request to upgrade the gateway. `problem` is a text for operators. */
export type UpgradeOutcome =
  | { readonly kind: "upgraded"; readonly pid: number; readonly version: string; readonly executable: string }
  | { readonly kind: "workers replaced"; readonly workers: number }
  | { readonly kind: "refused"; readonly problem: string }
  | { readonly kind: "failed"; readonly problem: string };
