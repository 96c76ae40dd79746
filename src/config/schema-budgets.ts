import { BURST_MAX, RATE_MAX } from "./routes.ts";
import { setting } from "./setting.ts";
import { boolean, int, positive } from "./values.ts";

const rate = positive("tokens a second", RATE_MAX);
const burst = int("tokens", 1, BURST_MAX);
const shadow = (whose: string) =>
  setting(boolean, false, `Shadow mode for the budget of ${whose}: what it would refuse is counted and logged, and let in.`);

/** The rows of the configuration's table that are about budgets. They may change while the gateway runs. */
export const BUDGET_SETTINGS = {
  "budgets.ip.rate": setting(rate, 50, "Requests a second from one peer address (IPv6: from one /64)."),
  "budgets.ip.burst": setting(
    burst,
    100,
    "Requests at once from one peer address. Raise it where many devices share an address.",
  ),
  "budgets.ip.shadow": shadow("addresses"),
  "budgets.session.rate": setting(rate, 10, "Requests a second of one device session."),
  "budgets.session.burst": setting(burst, 20, "Requests at once of one device session."),
  "budgets.session.shadow": shadow("sessions"),
  "budgets.user.rate": setting(rate, 20, "Requests a second of one user, over all sessions."),
  "budgets.user.burst": setting(burst, 40, "Requests at once of one user, over all sessions."),
  "budgets.user.shadow": shadow("users"),
  "budgets.failures.rate": setting(
    rate,
    1,
    "Failed checks a second that one peer address may cause before it is refused unseen.",
  ),
  "budgets.failures.burst": setting(
    burst,
    20,
    "Failed checks at once that one peer address may cause before it is refused unseen.",
  ),
  "budgets.failures.shadow": shadow("failed checks"),
  "budgets.public_auth.rate": setting(rate, 1, "Calls of the public login routes a second from one peer address."),
  "budgets.public_auth.burst": setting(burst, 5, "Calls of the public login routes at once from one peer address."),
  "budgets.public_auth.shadow": shadow("login routes"),
  "budgets.public_misc.rate": setting(rate, 10, "Calls of the other public routes a second from one peer address."),
  "budgets.public_misc.burst": setting(burst, 20, "Calls of the other public routes at once from one peer address."),
  "budgets.public_misc.shadow": shadow("other public routes"),
  "budgets.send_code.rate": setting(rate, 1 / 60, "E-mail codes a second to one e-mail address (the default: 1 a minute)."),
  "budgets.send_code.burst": setting(burst, 3, "E-mail codes at once to one e-mail address."),
  "budgets.send_code.shadow": shadow("e-mail addresses"),
  "budgets.confirm_code.rate": setting(rate, 0.1, "Attempts a second at one challenge's code."),
  "budgets.confirm_code.burst": setting(
    burst,
    5,
    "Attempts at once at one challenge's code. Together with the rate, what guessing is worth.",
  ),
  "budgets.confirm_code.shadow": shadow("challenges"),
} as const;
