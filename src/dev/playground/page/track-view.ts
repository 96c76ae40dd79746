import { type Attempt, answerState, checkStates, type StationState } from "./attempt.ts";
import { CHECKS, type CheckNumber } from "./checks.ts";
import { fill, h, icon, setAttributes, spoken } from "./dom.ts";

/** A step in the processing of a request: one of the nine checks, or the verification of the answer by this page. */
export type Station = CheckNumber | "answer";

const STATIONS: readonly Station[] = [...CHECKS.map(({ number }) => number), "answer"];
const STATE_WORDS: Readonly<Record<StationState, string>> = {
  idle: "",
  passed: "passed",
  refused: "refused",
  unreached: "not reached",
};

export function stationId(station: Station): string {
  return `station-${station}`;
}

/**
 * Shows a request as one tab for each check, and one for the verification of the answer. The arrow keys select other tabs.
 */
export class TrackView {
  readonly #root: HTMLElement;
  readonly #tabs: ReadonlyMap<Station, HTMLButtonElement>;
  readonly #onSelect: (station: Station) => void;

  constructor(root: HTMLElement, onSelect: (station: Station) => void) {
    this.#root = root;
    this.#onSelect = onSelect;
    this.#tabs = new Map(STATIONS.map((station) => [station, this.#tab(station)]));
    const stations = h(
      "div",
      { class: "stations", role: "tablist", "aria-label": "The way of the latest request" },
      ...this.#tabs.values(),
    );
    stations.addEventListener("keydown", (event) => this.#move(event));
    fill(
      root,
      h("div", { class: "end" }, icon("device"), "Device", h("small", {}, "signs")),
      stations,
      h("div", { class: "end backend" }, icon("server"), "Backend", h("small", {}, "your REST service")),
    );
    this.show(undefined);
  }

  /** Shows how far the request came. `undefined` means that no request was sent. */
  show(attempt: Attempt | undefined): void {
    const states = attempt && checkStates(attempt);
    for (const { number, name } of CHECKS) {
      const state = states?.[number] ?? "idle";
      this.#set(number, state, dotOf(number, state), h("span", {}, name), spoken(` ${STATE_WORDS[state]}`));
    }
    const state = attempt === undefined ? "idle" : answerState(attempt);
    this.#set("answer", state, icon(state === "refused" ? "cross" : "shield"), h("span", {}, ANSWER_TEXTS[state]));
    if (attempt !== undefined) this.#animate();
  }

  select(station: Station): void {
    for (const [each, tab] of this.#tabs) {
      setAttributes(tab, { "aria-selected": String(each === station), tabindex: each === station ? 0 : -1 });
    }
    this.#onSelect(station);
  }

  #tab(station: Station): HTMLButtonElement {
    const tab = h("button", {
      ...{ type: "button", role: "tab", id: stationId(station), "aria-controls": "evidence-body" },
      class: station === "answer" ? "answer" : "station",
    });
    tab.addEventListener("click", () => this.select(station));
    return tab;
  }

  #set(station: Station, state: StationState, ...children: Parameters<typeof fill>[1][]): void {
    const tab = this.#tabs.get(station);
    if (tab === undefined) return;
    tab.dataset["state"] = state;
    fill(tab, ...children);
  }

  /** Restarts the animation that shows the results one after the other. The animation starts when `data-run` is set. */
  #animate(): void {
    delete this.#root.dataset["run"];
    requestAnimationFrame(() => {
      this.#root.dataset["run"] = "";
    });
  }

  #move(event: KeyboardEvent): void {
    const at = STATIONS.findIndex((station) => this.#tabs.get(station) === document.activeElement);
    const next = STATIONS[nextIndex(event.key, at)];
    const tab = next === undefined ? undefined : this.#tabs.get(next);
    if (at < 0 || next === undefined || tab === undefined) return;
    event.preventDefault();
    this.select(next);
    tab.focus();
  }
}

const ANSWER_TEXTS: Readonly<Record<StationState, string>> = {
  idle: "The answer comes back signed",
  passed: "Signed answer, verified by this page",
  refused: "Answer discarded: it does not verify",
  unreached: "No answer",
};

function dotOf(number: CheckNumber, state: StationState): HTMLElement {
  const mark = state === "passed" ? icon("check") : state === "refused" ? icon("cross") : undefined;
  return mark === undefined
    ? h("span", { class: "dot" }, String(number))
    : h("span", { class: "dot" }, mark, spoken(String(number)));
}

/** Returns the index of the tab that the key selects; -1 if it selects none. */
function nextIndex(key: string, at: number): number {
  if (key === "ArrowRight" || key === "ArrowDown") return (at + 1) % STATIONS.length;
  if (key === "ArrowLeft" || key === "ArrowUp") return (at + STATIONS.length - 1) % STATIONS.length;
  if (key === "Home") return 0;
  return key === "End" ? STATIONS.length - 1 : -1;
}
