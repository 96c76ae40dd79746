import { subscription as subscriptionOf } from "../support/load-device.ts";

/** Sessions that the clients take turns in: enough to go through the look-ups, few enough to fill no table. */
const SESSIONS = 64;

let subscriptions = 0;

/** The one message of a fresh subscription, framed. */
export function subscription(): Uint8Array {
  return subscriptionOf(`soak-session-${subscriptions++ % SESSIONS}`);
}
