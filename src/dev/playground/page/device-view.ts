import { toHex } from "./bytes.ts";
import type { DeviceSession } from "./device-session.ts";
import { fill, h, onPress } from "./dom.ts";
import { facts, mono } from "./evidence-parts.ts";

/** Shows who is logged in on this device, with a button to log out. */
export class DeviceView {
  readonly #root: HTMLElement;
  readonly #logOut = h("button", { type: "button", class: "button small" }, "Log out");

  constructor(root: HTMLElement, onLogOut: () => Promise<void>) {
    this.#root = root;
    onPress(this.#logOut, onLogOut);
  }

  show({ credentials, userId }: DeviceSession, isKept: boolean): void {
    const { deviceSessionId, deviceKey } = credentials;
    this.#root.hidden = false;
    fill(
      this.#root,
      h("div", { class: "head" }, h("h2", { id: "device-title" }, "This device"), this.#logOut),
      facts([
        ["Session", mono(deviceSessionId)],
        ["User", userId === undefined ? "known from the first event on" : mono(userId)],
        [
          "Key",
          deviceKey.algorithm === "ES256" ? "P-256, private half not exportable" : "Ed25519, private half not exportable",
        ],
        ["Public half", mono(toHex(deviceKey.publicKey))],
      ]),
      isKept ? undefined : h("p", { class: "hint" }, "This browser stores nothing for the page. A reload logs out."),
    );
  }

  hide(): void {
    this.#root.hidden = true;
  }
}
