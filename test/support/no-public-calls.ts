import { systemClock } from "../../src/core/clock.ts";
import type { PublicAuthParts } from "../../src/service/public/public-call.ts";

const ROOMY = { ratePerSecond: 1000, burst: 1000 };

/** For listeners whose tests make no public calls. */
export const NO_PUBLIC_CALLS: PublicAuthParts = {
  backend: { forward: () => Promise.reject(new Error("no public calls here")) },
  buckets: { take: () => true, spend() {}, check: () => true },
  budgets: { public_auth: ROOMY, public_misc: ROOMY, send_code: ROOMY, confirm_code: ROOMY, failures: ROOMY },
  onShadowRefusal() {},
  clock: systemClock,
  isStopping: () => false,
};
