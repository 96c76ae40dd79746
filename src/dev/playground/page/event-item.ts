import type { VerifiedEvent } from "../../../client/index.ts";
import { toHex } from "./bytes.ts";
import { fill, h, icon } from "./dom.ts";
import { EVENT_FRAMES, facts, mono, signingInput, timeText } from "./evidence-parts.ts";

/** Creates an item of the event list for something other than an event, such as a lost connection. */
export function note(text: string, isStrong = false): HTMLElement {
  return h("li", { class: isStrong ? "note strong" : "note" }, text);
}

/** Creates the item of an event. The user can open its details. Heartbeats have no details, because there are many of them. */
export function eventItem(event: VerifiedEvent): HTMLElement {
  const { eventType, timestampMs, audience, payload } = event;
  const isHeartbeat = eventType === "gateway.heartbeat";
  const resumed = eventType === "gateway.server_time" ? memberOf(payload, "resumed") : undefined;
  const isShown = !isHeartbeat && resumed === undefined && payload !== undefined;
  return h(
    "li",
    { class: isHeartbeat ? "event quiet" : "event" },
    h(
      "div",
      { class: "head" },
      h("span", { class: "type" }, eventType),
      h("span", { class: "verified" }, icon("shield"), "verified"),
    ),
    h("span", { class: "hint" }, `${timeText(timestampMs)} · for ${audienceText(audience)}`),
    resumed === undefined ? undefined : h("span", {}, RESUMED_TEXTS[resumed === true ? "yes" : "no"]),
    isShown ? h("pre", {}, JSON.stringify(payload)) : undefined,
    isHeartbeat ? undefined : evidenceFold(event),
  );
}

const RESUMED_TEXTS = { yes: "resumed: true, nothing was missed", no: "resumed: false, a new stream" } as const;

/** Creates the details of an event, such as its signature. To save time, their content is built when the user opens them. */
function evidenceFold({ eventId, audience, payload, evidence }: VerifiedEvent): HTMLElement {
  const body = h("div", { class: "panel-body" });
  const fold = h("details", {}, h("summary", {}, "evidence"), body);
  fold.addEventListener(
    "toggle",
    () =>
      fill(
        body,
        payload === undefined ? undefined : h("pre", {}, JSON.stringify(payload, null, 2)),
        facts([
          ["Event id", mono(eventId)],
          ["Audience", mono(audience)],
          ["Key id", mono(evidence.keyId)],
          ["Signature", mono(toHex(evidence.signature))],
        ]),
        ...signingInput(evidence.signingInput, EVENT_FRAMES),
      ),
    { once: true },
  );
  return fold;
}

function audienceText(audience: string): string {
  if (audience.startsWith("session:")) return "this session";
  return audience.startsWith("user:") ? "this user" : audience;
}

/** Returns a member of the payload; `undefined` if the payload is not a JSON object. */
export function memberOf(payload: VerifiedEvent["payload"], name: string): unknown {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return undefined;
  return payload[name];
}
