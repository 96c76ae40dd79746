import type { StreamPosition, SubscriptionEvent, SubscriptionState } from "./subscription-event.ts";

/** What the tabs of one session send each other: proto/client.md does not apply, because the tabs run the same origin's code. */
export type TabMessage =
  /** From a new tab: asks the leader for its position. */
  | { readonly kind: "hello" }
  /** From the leader: its last event. */
  | { readonly kind: "position"; readonly position: StreamPosition | undefined }
  /** From the leader: an event, and the id of the event before it. */
  | { readonly kind: "event"; readonly after: string | undefined; readonly event: SubscriptionEvent }
  | { readonly kind: "state"; readonly state: SubscriptionState };

/** The version of the messages. Tabs with another version of the package use another channel. */
export const TAB_MESSAGE_VERSION = 1;

export function isTabMessage(data: unknown): data is TabMessage {
  return typeof data === "object" && data !== null && "kind" in data && typeof data.kind === "string";
}
