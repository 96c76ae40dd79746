import type { Config } from "../config/schema.ts";
import type { Budget } from "../core/ports.ts";
import { isStrictPublicKey } from "../crypto/ed25519.ts";
import type { PublicRoute } from "../http/public-auth.ts";
import { checkConfirmCode, checkSendCode } from "../http/public-schema.ts";

/** The configuration, in the shapes of those who live by it. */

export function pipelineOptions(config: Config) {
  return {
    payloadBytesMax: config["limits.payload_bytes_max"],
    freshness: { windowMs: config["freshness.window_ms"], marginMs: config["freshness.margin_ms"] },
    budgets: {
      ip: budget(config, "ip"),
      session: budget(config, "session"),
      user: budget(config, "user"),
      failures: budget(config, "failures"),
    },
  };
}

export function publicRoutes(config: Config): PublicRoute[] {
  const classBudget = budget(config, "public_auth");
  return [
    {
      path: "/api/v1/public/auth/send-email-code",
      check: checkSendCode,
      classBudget,
      identityBudget: budget(config, "send_code"),
    },
    {
      path: "/api/v1/public/auth/confirm-email-code",
      check: (json) => checkConfirmCode(json, isStrictPublicKey),
      classBudget,
      identityBudget: budget(config, "confirm_code"),
    },
  ];
}

type BudgetName = "ip" | "session" | "user" | "failures" | "public_auth" | "send_code" | "confirm_code";

function budget(config: Config, name: BudgetName): Budget {
  return { ratePerSecond: config[`budgets.${name}.rate`], burst: config[`budgets.${name}.burst`] };
}
