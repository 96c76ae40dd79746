import type { RouteConfig } from "./route-config.ts";
import { CONFIG_KEYS, type Config, type ConfigKey } from "./schema.ts";

/** The result of a configuration reload. */
export interface Reload {
  /** The running configuration, with the reloadable settings taken from the new configuration. */
  readonly merged: Config;
  /** The settings that the reload changes. */
  readonly changed: readonly ConfigKey[];
  /** The settings whose new value takes effect only after a restart. */
  readonly needRestart: readonly ConfigKey[];
}

/**
 * Returns `running` with the reloadable settings of `next`. These are the settings under `budgets.`, the budgets of routes, and
 * the public routes.
 */
export function mergeReload(running: Config, next: Config): Reload {
  const budgets = Object.fromEntries(CONFIG_KEYS.filter(isBudget).map((key) => [key, next[key]]));
  const routes = running.routes.map((route) => withBudgetOf(next.routes, route));
  const merged: Config = { ...running, ...budgets, routes, public_routes: next.public_routes };
  return {
    merged,
    changed: CONFIG_KEYS.filter((key) => !isSame(running[key], merged[key])),
    needRestart: CONFIG_KEYS.filter((key) => !isSame(next[key], merged[key])),
  };
}

function isBudget(key: ConfigKey): boolean {
  return key.startsWith("budgets.");
}

/**
 * Returns `route` with the budget that `next` has for the same message type. If `next` has no such message type, returns
 * `route` unchanged, because removing a route requires a restart.
 */
function withBudgetOf(next: readonly RouteConfig[], route: RouteConfig): RouteConfig {
  const found = next.find((each) => each.message_type === route.message_type);
  if (found === undefined) return route;
  const { budget: _, ...rest } = route;
  return found.budget === undefined ? rest : { ...rest, budget: found.budget };
}

function isSame(one: unknown, other: unknown): boolean {
  return Bun.deepEquals(one, other);
}
