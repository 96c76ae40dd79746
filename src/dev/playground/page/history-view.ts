import type { Attempt } from "./attempt.ts";
import { fill, h } from "./dom.ts";
import { timeText } from "./evidence-parts.ts";
import { verdictOf } from "./verdict.ts";

const ATTEMPTS_MAX = 50;

/** The list of earlier attempts, newest first. A click shows an attempt again, and puts its command into the editor. */
export class HistoryView {
  readonly #root: HTMLElement;
  readonly #list = h("ol", { class: "attempts" });
  readonly #onChoose: (attempt: Attempt) => void;

  constructor(root: HTMLElement, onChoose: (attempt: Attempt) => void) {
    this.#root = root;
    this.#onChoose = onChoose;
    fill(root, h("h2", { id: "history-title" }, "Sent so far"), this.#list);
  }

  add(attempt: Attempt): void {
    this.#root.hidden = false;
    const button = pastButton(attempt);
    button.addEventListener("click", () => {
      this.#mark(button);
      this.#onChoose(attempt);
    });
    this.#list.prepend(h("li", {}, button));
    this.#mark(button);
    while (this.#list.childElementCount > ATTEMPTS_MAX) this.#list.lastElementChild?.remove();
  }

  clear(): void {
    this.#root.hidden = true;
    fill(this.#list);
  }

  #mark(current: HTMLElement): void {
    for (const button of this.#list.querySelectorAll("button")) button.removeAttribute("aria-current");
    current.setAttribute("aria-current", "true");
  }
}

function pastButton(attempt: Attempt): HTMLButtonElement {
  const { title, messageType, atMs, outcome } = attempt;
  const isGood = outcome.kind === "answered";
  return h(
    "button",
    { type: "button", class: "past" },
    h(
      "span",
      { class: "head" },
      h("strong", {}, title),
      h("span", { class: isGood ? "badge passed" : "badge refused" }, `${isGood ? "✓" : "✗"} ${verdictOf(attempt).title}`),
    ),
    h("span", { class: "hint" }, `${timeText(atMs)} ${messageType}`),
  );
}
