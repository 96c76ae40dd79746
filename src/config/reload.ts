import type { RouteConfig } from "./routes.ts";
import { CONFIG_KEYS, type Config, type ConfigKey } from "./schema.ts";

/** What becomes of a running configuration when another is read. */
export interface Reload {
  /** The running one, with what may change at run time as the other has it. */
  readonly merged: Config;
  readonly changed: readonly ConfigKey[];
  /** Differ too, and stay as they are. */
  readonly needRestart: readonly ConfigKey[];
}

/** Budgets may change at run time, those of scopes and those of routes. */
export function mergeReload(running: Config, next: Config): Reload {
  const budgets = Object.fromEntries(CONFIG_KEYS.filter(isBudget).map((key) => [key, next[key]]));
  const routes = running.routes.map((route) => withBudgetOf(next.routes, route));
  const merged: Config = { ...running, ...budgets, routes };
  return {
    merged,
    changed: CONFIG_KEYS.filter((key) => !isSame(running[key], merged[key])),
    needRestart: CONFIG_KEYS.filter((key) => !isSame(next[key], merged[key])),
  };
}

function isBudget(key: ConfigKey): boolean {
  return key.startsWith("budgets.");
}

/** A route that is no longer there keeps its budget until the restart that takes it away. */
function withBudgetOf(next: readonly RouteConfig[], route: RouteConfig): RouteConfig {
  const found = next.find((each) => each.message_type === route.message_type);
  if (found === undefined) return route;
  const { budget: _, ...rest } = route;
  return found.budget === undefined ? rest : { ...rest, budget: found.budget };
}

function isSame(one: unknown, other: unknown): boolean {
  return Bun.deepEquals(one, other);
}
