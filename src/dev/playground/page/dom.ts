/** Functions that build and find elements of the page. A text becomes a text node and is never parsed as markup. */

export type Child = Node | string | undefined;
/** An attribute that is `undefined` or `false` is left out. `true` is an attribute without a value. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  setAttributes(element, attributes);
  element.append(...present(children));
  return element;
}

/** Replaces the children of an element. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren(...present(children));
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Returns the element of the document with this id. Throws if it is missing or of another class, which is a bug of the page.
 */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} with the id ${id}`);
}

const SVG = "http://www.w3.org/2000/svg";

/** SVG path data for a view box of 16 × 16. */
const ICONS = {
  check: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  device: "M5 1.5h6a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1zM7 12.5h2",
  server: "M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.01M4.5 11h.01",
  shield: "M8 1.5l5.5 2v4c0 3.4-2.3 5.9-5.5 7-3.2-1.1-5.5-3.6-5.5-7v-4zM5.5 8l1.8 1.8 3.2-3.5",
} as const;

export type IconName = keyof typeof ICONS;

/** Creates an icon that screen readers skip. The page must also give its meaning as text. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  setAttributes(svg, { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Creates an element that only screen readers present. */
export function spoken(text: string): HTMLElement {
  return h("span", { class: "spoken" }, text);
}

/** Runs `action` at each click of the button. While the action runs, clicks have no effect, but the button stays focusable. */
export function onPress(button: HTMLButtonElement, action: () => Promise<void> | void): void {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      await action();
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child) => child !== undefined);
}
