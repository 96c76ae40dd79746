/** What became of a request to upgrade the gateway. `problem` is a text for operators. */
export type UpgradeOutcome =
  | { readonly kind: "upgraded"; readonly pid: number; readonly version: string }
  | { readonly kind: "refused"; readonly problem: string }
  | { readonly kind: "failed"; readonly problem: string };
