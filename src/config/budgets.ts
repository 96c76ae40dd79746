import type { Budget } from "../core/buckets.ts";
import type { Config } from "./schema.ts";

const BUDGETS = ["ip", "session", "user", "failures", "public_auth", "public_misc", "send_code", "confirm_code"] as const;

export type BudgetName = (typeof BUDGETS)[number];
export type Budgets = { [Name in BudgetName]: Budget };

/** Returns the budgets of the settings `budgets.*`. The budgets of routes are in `config.routes`. */
export function budgetsOf(config: Config): Budgets {
  const entries = BUDGETS.map((name) => [name, budgetOf(config, name)]);
  // The cast is safe: `entries` has one entry for each name in `BUDGETS`.
  return Object.fromEntries(entries) as Budgets;
}

function budgetOf(config: Config, name: BudgetName): Budget {
  return {
    ratePerSecond: config[`budgets.${name}.rate`],
    burst: config[`budgets.${name}.burst`],
    shadow: config[`budgets.${name}.shadow`],
  };
}
