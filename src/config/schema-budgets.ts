import { BURST_MAX, RATE_MAX } from "./routes.ts";
import { setting } from "./setting.ts";
import { boolean, int, positive } from "./values.ts";

const rate = positive("tokens a second", RATE_MAX);
const burst = int("tokens", 1, BURST_MAX);
const shadow = (whose: string) =>
  setting(boolean, false, `Shadow mode for the budget of ${whose}: refusals are counted and logged, but not enforced.`);

/** The settings of budgets. They can be changed at run time. */
export const BUDGET_SETTINGS = {
  "budgets.ip.rate": setting(rate, 50, "Requests per second from one peer address (IPv6: one /64)."),
  "budgets.ip.burst": setting(
    burst,
    100,
    "Maximum burst of requests from one peer address. Raise it if many devices share an address.",
  ),
  "budgets.ip.shadow": shadow("addresses"),
  "budgets.session.rate": setting(rate, 10, "Requests per second of one device session."),
  "budgets.session.burst": setting(burst, 20, "Maximum burst of requests of one device session."),
  "budgets.session.shadow": shadow("sessions"),
  "budgets.user.rate": setting(rate, 20, "Requests per second of one user, over all sessions."),
  "budgets.user.burst": setting(burst, 40, "Maximum burst of requests of one user, over all sessions."),
  "budgets.user.shadow": shadow("users"),
  "budgets.failures.rate": setting(
    rate,
    1,
    "Requests per second of one peer address that cannot be decoded or fail a check. If this failure budget is empty, requests from the address are refused before they are read.",
  ),
  "budgets.failures.burst": setting(
    burst,
    20,
    "Maximum burst of requests of one peer address that cannot be decoded or fail a check.",
  ),
  "budgets.failures.shadow": shadow("failed checks"),
  "budgets.public_auth.rate": setting(rate, 1, "Calls per second of the public login routes from one peer address."),
  "budgets.public_auth.burst": setting(burst, 5, "Maximum burst of calls of the public login routes from one peer address."),
  "budgets.public_auth.shadow": shadow("login routes"),
  "budgets.public_misc.rate": setting(rate, 10, "Calls per second of the other public routes from one peer address."),
  "budgets.public_misc.burst": setting(burst, 20, "Maximum burst of calls of the other public routes from one peer address."),
  "budgets.public_misc.shadow": shadow("other public routes"),
  "budgets.send_code.rate": setting(
    rate,
    1 / 60,
    "Login codes per second sent to one e-mail address. The default is one per minute.",
  ),
  "budgets.send_code.burst": setting(burst, 3, "Maximum burst of login codes sent to one e-mail address."),
  "budgets.send_code.shadow": shadow("e-mail addresses"),
  "budgets.confirm_code.rate": setting(rate, 0.1, "Attempts per second to confirm the code of one challenge."),
  "budgets.confirm_code.burst": setting(
    burst,
    5,
    "Maximum burst of attempts to confirm the code of one challenge. Together with the rate, it limits the chance of guessing a code.",
  ),
  "budgets.confirm_code.shadow": shadow("challenges"),
} as const;
