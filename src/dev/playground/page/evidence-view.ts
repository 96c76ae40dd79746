import type { DevSetup } from "../setup.ts";
import { type Attempt, answerState, checkStates } from "./attempt.ts";
import { CHECKS } from "./checks.ts";
import type { DeviceSession } from "./device-session.ts";
import { fill, h } from "./dom.ts";
import { answerEvidence } from "./evidence-answer.ts";
import { budgetEvidence, freshnessEvidence, replayEvidence, routingEvidence } from "./evidence-gateway.ts";
import {
  envelopeEvidence,
  payloadEvidence,
  sessionEvidence,
  signatureEvidence,
  transportEvidence,
} from "./evidence-request.ts";
import { type Station, stationId } from "./track-view.ts";

export interface EvidenceContext {
  readonly attempt: Attempt | undefined;
  readonly session: DeviceSession | undefined;
  readonly dev: DevSetup | undefined;
}

const STATE_BADGES = {
  idle: undefined,
  passed: ["passed", "✓ passed"],
  refused: ["refused", "✗ refused"],
  unreached: ["", "not reached"],
} as const;

/** Shows the data of one station of an attempt. A station is a check of the gateway, or the verification of the answer. */
export class EvidenceView {
  readonly #title = h("h2", { id: "evidence-title" });
  readonly #badge = h("span", { class: "badge" });
  readonly #body = h("div", { id: "evidence-body", class: "panel-body", role: "tabpanel", tabindex: 0 });
  /** Counts the calls of `show`. A call that waits for data shows nothing if `show` was called again. */
  #shown = 0;

  constructor(root: HTMLElement) {
    fill(root, h("div", { class: "head" }, this.#title, this.#badge), this.#body);
  }

  async show(station: Station, context: EvidenceContext): Promise<void> {
    const shown = ++this.#shown;
    const { attempt } = context;
    const evidence = attempt === undefined ? [] : await evidenceOf(station, attempt, context);
    if (shown !== this.#shown) return;
    const { heading, question, stops } = textsOf(station);
    fill(this.#title, heading);
    this.#showBadge(station, attempt);
    this.#body.setAttribute("aria-labelledby", stationId(station));
    const intro = h("p", { class: "question" }, `${question} `, h("span", {}, stops));
    const empty =
      attempt === undefined ? h("p", { class: "hint" }, "The evidence appears here with the first request.") : undefined;
    fill(this.#body, intro, ...evidence, empty);
  }

  #showBadge(station: Station, attempt: Attempt | undefined): void {
    const state = attempt === undefined ? "idle" : station === "answer" ? answerState(attempt) : checkStates(attempt)[station];
    const [kind, text] = STATE_BADGES[state ?? "idle"] ?? ["", ""];
    this.#badge.className = `badge ${kind}`;
    fill(this.#badge, text);
  }
}

function textsOf(station: Station): { heading: string; question: string; stops: string } {
  const check = station === "answer" ? undefined : CHECKS[station];
  if (check !== undefined) {
    return {
      heading: `Check ${check.number}: ${check.name}`,
      question: check.question,
      stops: `It stops: ${lowered(check.stops)}`,
    };
  }
  return {
    heading: "The signed answer",
    question: "Did the gateway sign this answer, for this request of this session?",
    stops: "The client checks it, with the public keys that the gateway publishes.",
  };
}

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function evidenceOf(
  station: Station,
  attempt: Attempt,
  { session, dev }: EvidenceContext,
): HTMLElement[] | Promise<HTMLElement[]> {
  switch (station) {
    case 0:
      return transportEvidence(attempt);
    case 1:
      return envelopeEvidence(attempt);
    case 2:
      return sessionEvidence(attempt, session);
    case 3:
      return payloadEvidence(attempt);
    case 4:
      return signatureEvidence(attempt);
    case 5:
      return freshnessEvidence(attempt, session?.clockOffsetMs ?? 0, dev);
    case 6:
      return replayEvidence(attempt, dev);
    case 7:
      return budgetEvidence(attempt, dev);
    case 8:
      return routingEvidence(attempt, dev);
    case "answer":
      return answerEvidence(attempt);
  }
}
