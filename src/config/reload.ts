import type { ChangedRows } from "../core/reload.ts";
import { heldKeys, isReloadable } from "./reloadable.ts";
import { rowChanges } from "./row-changes.ts";
import { CONFIG_KEYS, type Config, type ConfigKey } from "./schema.ts";

export interface Reload {
  /** The running configuration, with the reloadable settings taken from the new configuration. */
  readonly merged: Config;
  /** The settings that the reload changes. The contents of TLS files, key files and token files are not compared. */
  readonly changed: readonly ConfigKey[];
  /** The changed rows of each changed table. */
  readonly rows: Readonly<Record<string, ChangedRows>>;
  /** The settings whose new value takes effect only after a restart. */
  readonly needRestart: readonly ConfigKey[];
}

/** Merges the reloadable settings of `next` into `running`. Also returns what changes, and what needs a restart. */
export function mergeReload(running: Config, next: Config): Reload {
  const held = heldKeys(running, next);
  const applied = CONFIG_KEYS.filter((key) => isReloadable(key) && !held.has(key));
  const merged: Config = { ...running, ...Object.fromEntries(applied.map((key) => [key, next[key]])) };
  const changed = CONFIG_KEYS.filter((key) => !isSame(running[key], merged[key]));
  return {
    merged,
    changed,
    rows: rowChanges(running, merged),
    needRestart: CONFIG_KEYS.filter((key) => !isSame(next[key], merged[key])),
  };
}

function isSame(one: unknown, other: unknown): boolean {
  return Bun.deepEquals(one, other);
}
