import type { StreamPosition, SubscriptionEvent, SubscriptionState } from "./subscription-event.ts";

/**
 * The messages between the tabs of one session. The leader is the tab that has the stream and sends its events to the other
 * tabs. `isBehind` is true while the leader's stream delivers events that were missed.
 */
export type TabMessage =
  /** From a new tab: asks the leader for the position of the leader's stream. */
  | { readonly kind: "hello" }
  /** From the leader: the position of its stream, and the maximum time until the next event, in ms. */
  | {
      readonly kind: "position";
      readonly position: StreamPosition | undefined;
      readonly silenceMs: number;
      readonly isBehind?: boolean;
    }
  /** From the leader: an event, and the id of the event before it. */
  | {
      readonly kind: "event";
      readonly after: string | undefined;
      readonly event: SubscriptionEvent;
      readonly isBehind?: boolean;
    }
  | { readonly kind: "state"; readonly state: SubscriptionState };

/** The version of the messages. Tabs with another version of the messages use another channel. */
export const TAB_MESSAGE_VERSION = 1;

/**
 * Returns true for messages of this package. Other code of the same origin could send messages on a channel of the same name. This
 * is not a security check, because such code could also use the device key.
 */
export function isTabMessage(data: unknown): data is TabMessage {
  const { kind, event, silenceMs, state } = Object(data);
  if (kind === "event") return typeof event?.eventId === "string" && event.evidence?.payloadHash instanceof Uint8Array;
  return kind === "hello" || (kind === "position" && silenceMs > 0) || (kind === "state" && typeof state === "string");
}
