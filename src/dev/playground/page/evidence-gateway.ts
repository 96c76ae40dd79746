import type { DevSetup } from "../setup.ts";
import type { Attempt } from "./attempt.ts";
import { h } from "./dom.ts";
import { facts, mark, mono, table, timeText } from "./evidence-parts.ts";

/** What the page shows of checks 5 to 8. They compare the request with the state of the gateway. */

/** The default freshness window of a gateway, in ms. Used if the page does not know the gateway's setting. */
const WINDOW_MS = 60_000;

export function freshnessEvidence({ signed, atMs }: Attempt, clockOffsetMs: number, dev: DevSetup | undefined): HTMLElement[] {
  if (signed === undefined) return [];
  const windowMs = dev?.freshness_window_ms ?? WINDOW_MS;
  const signedMs = Number(signed.request.envelope.timestampMs);
  const differenceMs = signedMs - (atMs + clockOffsetMs);
  return [
    facts([
      ["Signed at", mono(`${signedMs} (${timeText(signedMs)})`)],
      [
        "Gateway's clock",
        mono(`${Math.round(atMs + clockOffsetMs)} (${timeText(atMs + clockOffsetMs)}), estimated from its signed events`),
      ],
      ["Difference", `${(differenceMs / 1000).toFixed(3)} s`],
      ["Allowed", `${windowMs / 1000} s in either direction`],
      ["", mark(Math.abs(differenceMs) <= windowMs, "fresh", "outside the window")],
    ]),
  ];
}

export function replayEvidence({ signed, outcome }: Attempt, dev: DevSetup | undefined): HTMLElement[] {
  if (signed === undefined) return [];
  const signedMs = Number(signed.request.envelope.timestampMs);
  const untilMs = dev && signedMs + dev.freshness_window_ms + dev.freshness_margin_ms;
  const isReplay = outcome.kind === "refused" && outcome.refusal.reason === "REQUEST_REPLAYED";
  return [
    facts([
      ["Request id", mono(signed.request.envelope.requestId)],
      ["Reserved until", untilMs === undefined ? undefined : mono(timeText(untilMs))],
      ["", isReplay ? mark(false, "", "used before by this session") : undefined],
    ]),
    h("p", { class: "hint" }, "The reservation outlives the freshness window. So after its end, the timestamp is too old."),
  ];
}

export function budgetEvidence({ outcome }: Attempt, dev: DevSetup | undefined): HTMLElement[] {
  const refusal = outcome.kind === "refused" && outcome.check === 7 ? outcome.refusal : undefined;
  const scope = refusal?.metadata["scope"];
  const budgets = Object.entries(dev?.budgets ?? {});
  const rows = budgets.map(([name, { rate, burst }]) => [
    name,
    `${rate} per second`,
    h("span", {}, `at most ${burst}`, name === scope ? h("strong", { class: "mark-bad" }, " ✗ empty") : undefined),
  ]);
  return [
    rows.length === 0
      ? h("p", { class: "hint" }, "Budgets of the address, the session, the user and the message type.")
      : table(["Budget", "Refills", "Holds"], rows, "The budgets of the gateway"),
    facts([
      ["Refused by", refusal === undefined ? undefined : mono(scope ?? refusal.reason ?? refusal.code)],
      ["Wait", refusal?.retryAfterMs === undefined ? undefined : `${refusal.retryAfterMs} ms, says the gateway`],
    ]),
  ];
}

export function routingEvidence({ messageType, outcome }: Attempt, dev: DevSetup | undefined): HTMLElement[] {
  const route = dev?.routes.find(({ message_type }) => message_type === messageType);
  const refusal = outcome.kind === "refused" && outcome.check === 8 ? outcome.refusal : undefined;
  const missing = dev === undefined ? "known to the gateway only" : "none";
  return [
    facts([
      ["Message type", mono(messageType)],
      ["Route", route === undefined ? missing : mono(`${route.method} ${route.path}`)],
      ["Backend gets", route === undefined ? undefined : "the payload, X-User-Id, X-Device-Session-Id and an Idempotency-Key"],
      ["Result", outcome.kind === "answered" ? mono(outcome.result.resultCode) : undefined],
      ["Field", refusal?.metadata["field"] === undefined ? undefined : mono(refusal.metadata["field"])],
    ]),
  ];
}
