import type { VerifiedEvent } from "./verify.ts";

/**
 * A verified event of a subscription. `kind` tells what to do with it:
 * - `event`: an event of the backend.
 * - `resync`: events may be lost. Fetch your state again, then continue with the events that follow. The other fields are from
 *   the signed event that reports the loss: `gateway.resync`, or `gateway.server_time` with `resumed: false`.
 * - `gateway`: another event of the gateway, such as a heartbeat. Delivered only with the option `gatewayEvents`.
 */
export interface SubscriptionEvent extends VerifiedEvent {
  readonly kind: "event" | "resync" | "gateway";
}

/** A point in the sequence of events. A new subscription can start there, on this device or after a restart of the app. */
export interface StreamPosition {
  /** The id of the last event that the app has processed. */
  readonly eventId: string;
  /** The `timestampMs` of the event `eventId`. With it, the subscription also drops much older events that a proxy replays. */
  readonly timestampMs?: number | undefined;
}

/**
 * The state of a subscription:
 * - `connecting`: a request is under way.
 * - `live`: events arrive.
 * - `waiting`: the last stream ended and the next attempt follows after a delay, or the app is too slow.
 * - `offline`: the device has no network.
 * - `ended`: the app closed the subscription, or the gateway refused for good.
 */
export type SubscriptionState = "connecting" | "live" | "waiting" | "offline" | "ended";

/**
 * The way in which events reach the client: a stream over `fetch` or XMLHttpRequest, long polls, or another tab of the browser.
 */
export type StreamTransport = "fetch" | "xhr" | "poll" | "tab";

/** Why a subscription is in its state. */
export interface StateDetail {
  /** Why the last stream ended, in the states `waiting` and `ended`. The gateway does not sign errors: a proxy can forge them. */
  readonly error?: unknown;
  readonly transport?: StreamTransport | undefined;
}

/** Receives what a source of events delivers, in order. */
export interface Receiver {
  event(event: SubscriptionEvent): void;
  state(state: SubscriptionState, detail: StateDetail): void;
}

/**
 * A source of events that reconnects by itself until it is closed. It does not call its receiver after `close` or the state
 * `ended`.
 */
export interface Source {
  start(): void;
  close(): void;
}
