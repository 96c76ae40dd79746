import { subscription as subscriptionOf } from "../support/load-device.ts";

/** Sessions that the clients use in turn: enough to exercise look-ups, too few to fill a table. */
const SESSIONS = 64;

let subscriptions = 0;

/** The framed message of a new subscription. */
export function subscription(): Uint8Array {
  return subscriptionOf(`soak-session-${subscriptions++ % SESSIONS}`);
}
