/** The result of a request to reload the configuration. Its texts are for operators, and contain no secrets. */
export type ReloadOutcome =
  | {
      readonly kind: "reloaded";
      /** Number of configurations that this gateway has used, the first one included. */
      readonly generation: number;
      /** The names of the changed settings. A setting that names a file is changed, too, if the content of the file is. */
      readonly changed: readonly string[];
      /** The changed rows of each changed table, by the name of the table. */
      readonly rows: Readonly<Record<string, ChangedRows>>;
      /** The settings whose change needs a restart. */
      readonly needsRestart: readonly string[];
    }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

/** A new configuration that a part of the gateway can use. */
export interface Prepared {
  /** Applies the configuration, synchronously. It must not throw. */
  readonly commit: () => void;
  /** The settings that name files whose contents the commit changes. */
  readonly changedFiles?: readonly string[];
}

export interface ChangedRows {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The names of the changed fields of each changed row. */
  readonly changed: Readonly<Record<string, readonly string[]>>;
}
