import { BURST_MAX, RATE_MAX } from "./routes.ts";
import { setting } from "./setting.ts";
import { boolean, int, positive } from "./values.ts";

const rate = positive("tokens a second", RATE_MAX);
const burst = int("tokens", 1, BURST_MAX);
const shadow = (name: string) =>
  setting(
    boolean,
    false,
    `If true, a request that exceeds the budget \`${name}\` is counted and logged, but not refused (shadow mode).`,
  );

/** The settings of budgets. SIGHUP reloads them without a restart. */
export const BUDGET_SETTINGS = {
  "budgets.ip.rate": setting(rate, 50, "Maximum average requests per second from one peer address (IPv6: one /64)."),
  "budgets.ip.burst": setting(
    burst,
    100,
    "Maximum burst of requests from one peer address. Raise it if many devices share an address.",
  ),
  "budgets.ip.shadow": shadow("ip"),
  "budgets.session.rate": setting(rate, 10, "Maximum average requests per second of one device session."),
  "budgets.session.burst": setting(burst, 20, "Maximum burst of requests of one device session."),
  "budgets.session.shadow": shadow("session"),
  "budgets.user.rate": setting(
    rate,
    20,
    "Maximum average requests per second of one user, over all of the user's device sessions.",
  ),
  "budgets.user.burst": setting(burst, 40, "Maximum burst of requests of one user, over all of the user's device sessions."),
  "budgets.user.shadow": shadow("user"),
  "budgets.failures.rate": setting(
    rate,
    1,
    "Maximum average failed requests per second from one peer address. A request fails if it cannot be decoded or does not pass a check. If this failure budget is empty, requests from the address are refused before they are read.",
  ),
  "budgets.failures.burst": setting(
    burst,
    20,
    "Maximum burst of failed requests from one peer address. A request fails if it cannot be decoded or does not pass a check.",
  ),
  "budgets.failures.shadow": shadow("failures"),
  "budgets.public_auth.rate": setting(
    rate,
    1,
    "Maximum average login calls (`send-email-code`, `confirm-email-code`) per second from one peer address.",
  ),
  "budgets.public_auth.burst": setting(
    burst,
    5,
    "Maximum burst of login calls (`send-email-code`, `confirm-email-code`) from one peer address.",
  ),
  "budgets.public_auth.shadow": shadow("public_auth"),
  "budgets.public_misc.rate": setting(
    rate,
    10,
    "Maximum average requests per second for the gateway's public keys (`GET /.well-known/jwks.json`) from one peer address.",
  ),
  "budgets.public_misc.burst": setting(
    burst,
    20,
    "Maximum burst of requests for the gateway's public keys (`GET /.well-known/jwks.json`) from one peer address.",
  ),
  "budgets.public_misc.shadow": shadow("public_misc"),
  "budgets.send_code.rate": setting(
    rate,
    1 / 60,
    "Maximum average login codes per second that are sent to one e-mail address. The default is one code per minute.",
  ),
  "budgets.send_code.burst": setting(burst, 3, "Maximum burst of login codes that are sent to one e-mail address."),
  "budgets.send_code.shadow": shadow("send_code"),
  "budgets.confirm_code.rate": setting(
    rate,
    0.1,
    "Maximum average attempts per second to confirm the code of one challenge (one started login).",
  ),
  "budgets.confirm_code.burst": setting(
    burst,
    5,
    "Maximum burst of attempts to confirm the code of one challenge (one started login). The burst and the rate together limit the chance of guessing a code.",
  ),
  "budgets.confirm_code.shadow": shadow("confirm_code"),
} as const;
