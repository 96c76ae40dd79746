import { CHECKS } from "./checks.ts";
import { fill, h, onPress, spoken } from "./dom.ts";
import type { Tamper } from "./tamper.ts";
import { ANSWER_TAMPERS } from "./tampers-answer.ts";
import { REQUEST_TAMPERS } from "./tampers-request.ts";

/**
 * A button for each attack. An attack on the request is under the check that stops it. Attacks on the answer have their own
 * row.
 */
export class TampersView {
  readonly #root: HTMLElement;

  constructor(root: HTMLElement, hasDev: boolean, onTamper: (tamper: Tamper) => Promise<void>) {
    this.#root = root;
    const buttons = (tampers: readonly Tamper[]) => tampers.map((tamper) => button(tamper, onTamper));
    const perCheck = CHECKS.map(({ number }) =>
      h("div", { class: "attack-group" }, ...buttons(REQUEST_TAMPERS.filter(({ caughtBy }) => caughtBy === number))),
    );
    const onAnswer = buttons(ANSWER_TAMPERS.filter(({ needsDev = false }) => hasDev || !needsDev));
    fill(
      root,
      h("div", { class: "intro" }, h("h2", { id: "tampers-title" }, "Tamper"), h("p", {}, "Attack with the command below.")),
      h("div", { class: "attacks" }, ...perCheck, h("div", { class: "attack-group on-answer" }, ...onAnswer)),
    );
  }

  set isHidden(isHidden: boolean) {
    this.#root.hidden = isHidden;
  }
}

function button(tamper: Tamper, onTamper: (tamper: Tamper) => Promise<void>): HTMLButtonElement {
  const { id, title, deed, caughtBy } = tamper;
  const place = caughtBy === "answer" ? "client" : `check ${caughtBy}`;
  const element = h(
    "button",
    { type: "button", class: "tamper", id: `tamper-${id}`, title: deed },
    h("span", {}, title),
    spoken(`. ${deed} Stopped by the ${place}.`),
    h("span", { class: "target", "aria-hidden": "true" }, `→ ${place}`),
  );
  onPress(element, () => onTamper(tamper));
  return element;
}
