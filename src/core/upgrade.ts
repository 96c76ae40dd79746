/** What is replaced: all processes, or only the workers, by processes of the same executable and configuration. */
export type UpgradeScope = "all" | "workers";

/** What became of a request to upgrade the gateway. `problem` is a text for operators. */
export type UpgradeOutcome =
  | { readonly kind: "upgraded"; readonly pid: number; readonly version: string }
  | { readonly kind: "workers replaced"; readonly workers: number }
  | { readonly kind: "refused"; readonly problem: string }
  | { readonly kind: "failed"; readonly problem: string };
