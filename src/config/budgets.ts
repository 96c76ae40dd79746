import type { Budget } from "../core/buckets.ts";
import type { Config } from "./schema.ts";

const BUDGETS = ["ip", "session", "user", "failures", "public_auth", "public_misc", "send_code", "confirm_code"] as const;

export type BudgetName = (typeof BUDGETS)[number];
export type Budgets = { [Name in BudgetName]: Budget };

/** All budgets of the configuration except those of routes. */
export function budgetsOf(config: Config): Budgets {
  const entries = BUDGETS.map((name) => [name, budgetOf(config, name)]);
  // The cast is safe: there is one entry for each name.
  return Object.fromEntries(entries) as Budgets;
}

function budgetOf(config: Config, name: BudgetName): Budget {
  return {
    ratePerSecond: config[`budgets.${name}.rate`],
    burst: config[`budgets.${name}.burst`],
    shadow: config[`budgets.${name}.shadow`],
  };
}
