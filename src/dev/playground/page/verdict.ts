import type { Attempt } from "./attempt.ts";
import { CHECKS } from "./checks.ts";
import { fill, h } from "./dom.ts";
import { explainReason, explainTrustCheck } from "./explanations.ts";
import type { Station } from "./track-view.ts";

/** The outcome of an attempt in words. */
export interface Verdict {
  readonly title: string;
  readonly detail: string;
  /** The tab that explains the outcome: a check, or the answer. */
  readonly station: Station;
}

export function verdictOf({ outcome }: Attempt): Verdict {
  switch (outcome.kind) {
    case "answered": {
      const { resultCode, replayed } = outcome.result;
      const kept = replayed ? " It is the kept answer of an earlier attempt: the command was not executed again." : "";
      const detail =
        resultCode === "ok"
          ? `All nine checks passed. The backend answered, and the signature of the answer verifies.${kept}`
          : `All nine checks passed. The backend refused by a business error, as a signed answer.${kept}`;
      return { title: `Answered: ${resultCode}`, detail, station: "answer" };
    }
    case "refused": {
      const { check, refusal } = outcome;
      const name = CHECKS[check]?.name ?? "";
      const title = `Refused at check ${check}, ${name}: ${refusal.reason ?? refusal.code}`;
      return { title, detail: explainReason(refusal.reason, refusal.text), station: check };
    }
    case "distrusted":
      return { title: "Answer discarded by the client", detail: explainTrustCheck(outcome.trustCheck), station: "answer" };
    case "failed":
      return { title: "No answer", detail: outcome.text, station: 0 };
  }
}

/** Shows the outcome in a live region, which screen readers read out. */
export function showVerdict(region: HTMLElement, attempt: Attempt | undefined): void {
  region.dataset["kind"] = attempt?.outcome.kind ?? "idle";
  fill(region, ...(attempt === undefined ? ["Nothing has been sent yet. Log in below, then send a command."] : words(attempt)));
  if (attempt !== undefined) region.scrollIntoView({ block: "nearest" });
}

function words(attempt: Attempt): HTMLElement[] {
  const { title, detail } = verdictOf(attempt);
  const { lesson } = attempt;
  return [
    h("strong", {}, title),
    h("span", { class: "soft" }, attempt.deed === undefined ? attempt.title : `${attempt.title}. ${attempt.deed}`),
    h("span", { class: "aside" }, detail, lesson === undefined ? undefined : h("span", { class: "lesson" }, ` ${lesson}`)),
  ];
}
