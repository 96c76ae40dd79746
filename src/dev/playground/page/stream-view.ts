import {
  GatewayError,
  type Subscription,
  type SubscriptionEvent,
  type SubscriptionState,
  type VerifiedEvent,
} from "../../../client/index.ts";
import { pushEvent, restartGateway, revoke } from "./dev-calls.ts";
import type { DeviceSession } from "./device-session.ts";
import { fill, h, onPress } from "./dom.ts";
import { eventItem, memberOf, note } from "./event-item.ts";
import { messageOf } from "./message-of.ts";

const EVENTS_SHOWN_MAX = 100;

const STATE_TEXTS: Readonly<Record<SubscriptionState, string>> = {
  connecting: "connecting",
  live: "live",
  waiting: "reconnecting",
  offline: "offline",
  ended: "ended",
};

export interface StreamParts {
  /** This element shows the state of the stream. It is in the header of the page. */
  readonly chip: HTMLElement;
  readonly hasDev: boolean;
  /** Called after each `gateway.server_time` event, which contains the user id of the session. */
  readonly onUser: () => void;
  /** Called when the user chooses to log in again, after the stream has ended with an error. */
  readonly onLogInAgain: () => Promise<void>;
}

/**
 * Shows the verified events, newest first. In `sallyport dev`, also shows buttons that push an event, restart the gateway and
 * revoke the session.
 */
export class StreamView {
  readonly #root: HTMLElement;
  readonly #parts: StreamParts;
  readonly #list = h("ol", { class: "events", "aria-label": "Events, newest first", tabindex: 0 });
  readonly #problem = h("p", { class: "problem", role: "alert" });
  #session: DeviceSession | undefined;
  #subscription: Subscription | undefined;
  #heartbeat: { readonly item: HTMLElement; count: number } | undefined;
  #pushed = 0;

  constructor(root: HTMLElement, parts: StreamParts) {
    this.#root = root;
    this.#parts = parts;
    fill(
      root,
      h(
        "div",
        {},
        h("h2", { id: "stream-title" }, "Live events"),
        h("p", { class: "hint" }, "Signed by the gateway, verified here one by one."),
      ),
      parts.hasDev ? this.#controls() : undefined,
      this.#problem,
      h("div", { role: "log" }, this.#list),
    );
  }

  open(session: DeviceSession): void {
    this.close();
    this.#root.hidden = false;
    this.#session = session;
    const subscription = session.client.subscribe({ gatewayEvents: true });
    this.#subscription = subscription;
    subscription.onState((state, { error }) => this.#onState(state, error));
    this.#read(subscription);
  }

  close(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#heartbeat = undefined;
    this.#root.hidden = true;
    fill(this.#list);
    fill(this.#problem);
    this.#showChip("ended", "no stream");
  }

  #controls(): HTMLElement {
    const control = (text: string, danger: boolean, act: () => Promise<void>) => {
      const element = h("button", { type: "button", class: danger ? "button small danger" : "button small" }, text);
      onPress(element, () => this.#trying(act));
      return element;
    };
    return h(
      "div",
      { class: "row" },
      control("Push an event", false, () =>
        pushEvent(this.#target(), "demo.greeting", { number: ++this.#pushed, text: "Hello" }),
      ),
      control("Restart the gateway", false, restartGateway),
      control("Revoke this session", true, () => revoke(this.#target())),
    );
  }

  #target() {
    return { device_session_id: this.#session?.credentials.deviceSessionId ?? "" };
  }

  async #trying(act: () => Promise<void>): Promise<void> {
    fill(this.#problem);
    try {
      await act();
    } catch (error) {
      fill(this.#problem, messageOf(error));
    }
  }

  async #read(subscription: Subscription): Promise<void> {
    try {
      for await (const event of subscription) this.#onEvent(event);
    } catch {
      // Nothing to do: `#onState` shows this error when the state becomes `ended`.
    }
  }

  #onState(state: SubscriptionState, error: unknown): void {
    if (this.#subscription === undefined) return;
    this.#showChip(state, STATE_TEXTS[state]);
    if (state === "waiting") this.#add(note(`The stream was cut: ${reasonOf(error)}. Reconnecting.`));
    if (state === "ended") this.#add(this.#lastNote(reasonOf(error)));
  }

  /**
   * Creates the list item for a stream that has ended with an error. It has a button to log in again. The error is not signed, so
   * a proxy may have forged it. Therefore, the page deletes the session only if the user presses the button.
   */
  #lastNote(reason: string): HTMLElement {
    const again = h("button", { type: "button", class: "button small" }, "Log in again");
    onPress(again, this.#parts.onLogInAgain);
    const item = note(`The stream has ended for good: ${reason}.`, true);
    item.append(h("div", { class: "row" }, again));
    return item;
  }

  #showChip(state: SubscriptionState, text: string): void {
    this.#parts.chip.dataset["state"] = state;
    fill(this.#parts.chip, text === "live" ? "stream live" : text);
  }

  #onEvent(event: SubscriptionEvent): void {
    if (event.eventType === "gateway.server_time") this.#learn(event);
    if (event.eventType === "gateway.heartbeat" && this.#heartbeat !== undefined) {
      this.#countHeartbeat();
      return;
    }
    const item = eventItem(event);
    this.#add(item);
    this.#heartbeat = event.eventType === "gateway.heartbeat" ? { item, count: 1 } : undefined;
  }

  #countHeartbeat(): void {
    if (this.#heartbeat === undefined) return;
    this.#heartbeat.count++;
    const text = this.#heartbeat.item.querySelector(".type");
    if (text !== null) fill(text, `gateway.heartbeat × ${this.#heartbeat.count}`);
  }

  /** Stores the user id and the gateway's time from a `gateway.server_time` event. */
  #learn({ payload, timestampMs }: VerifiedEvent): void {
    const session = this.#session;
    if (session === undefined) return;
    session.clockOffsetMs = timestampMs - Date.now();
    const userId = memberOf(payload, "user_id");
    if (typeof userId === "string") session.userId = userId;
    this.#parts.onUser();
  }

  #add(item: HTMLElement): void {
    this.#list.prepend(item);
    while (this.#list.childElementCount > EVENTS_SHOWN_MAX) this.#list.lastElementChild?.remove();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof GatewayError) return error.reason ?? error.code;
  return error instanceof Error ? error.message : "no reason given";
}
