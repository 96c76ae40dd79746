import {
  confirmEmailCode,
  generateDeviceKey,
  type KeyAlgorithm,
  RestError,
  type SessionCredentials,
  sendEmailCode,
} from "../../../client/index.ts";
import { fetchOutbox, type Mail } from "./dev-calls.ts";
import { fill, h, onPress, setAttributes } from "./dom.ts";
import { messageOf } from "./message-of.ts";

const baseUrl = location.origin;
const MAILS_SHOWN = 3;

export interface LoginParts {
  /** Whether the page can read the embedded backend's e-mails with login codes. */
  readonly hasOutbox: boolean;
  /** The algorithms of device keys that the gateway accepts. */
  readonly algorithms: readonly KeyAlgorithm[];
  readonly onLogin: (credentials: SessionCredentials) => void;
}

/** The login: an e-mail address, then the code. With `hasOutbox`, also shows the e-mail that contains the code. */
export class LoginView {
  readonly #root: HTMLElement;
  readonly #parts: LoginParts;
  readonly #email = input({ id: "email", type: "email", autocomplete: "email", required: true, value: "ada@example.com" });
  readonly #code = input({ id: "code", class: "code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 32 });
  readonly #send = h("button", { type: "submit", class: "button main" }, "Send me a code");
  readonly #confirm = h("button", { type: "submit", class: "button main" }, "Log in");
  readonly #problem = h("p", { class: "problem", role: "alert", id: "login-problem" });
  readonly #outbox = h("section", { class: "outbox", "aria-label": "Outbox of the embedded backend" });
  readonly #second: HTMLFormElement;
  #challengeId = "";

  constructor(root: HTMLElement, parts: LoginParts) {
    this.#root = root;
    this.#parts = parts;
    const first = form(this.#send, () => this.#sendCode(), field("E-mail address", this.#email), this.#send);
    this.#second = form(
      this.#confirm,
      () => this.#logIn(),
      field("Code", this.#code),
      algorithmChoice(parts.algorithms),
      this.#confirm,
    );
    this.#second.hidden = true;
    fill(
      root,
      h("div", { class: "head" }, h("h2", { id: "login-title" }, "Log in this device")),
      h("p", { class: "hint" }, "The browser makes a key that cannot be exported. The login registers its public half."),
      h(
        "div",
        { class: "login-columns" },
        h("div", { class: "panel-body" }, first, this.#second, this.#problem),
        parts.hasOutbox ? this.#outbox : undefined,
      ),
    );
  }

  open(): void {
    this.#root.hidden = false;
    this.#second.hidden = true;
    this.#showOutbox([]);
    this.#code.value = "";
    fill(this.#problem);
  }

  focus(): void {
    this.#email.focus();
  }

  async #sendCode(): Promise<void> {
    await this.#trying(async () => {
      const { challengeId } = await sendEmailCode({ baseUrl, email: this.#email.value.trim() });
      this.#challengeId = challengeId;
      this.#second.hidden = false;
      if (this.#parts.hasOutbox) this.#showOutbox(await fetchOutbox());
      this.#code.focus();
    });
  }

  #showOutbox(mails: readonly Mail[]): void {
    const shown = mails.slice(0, MAILS_SHOWN).map((mail) => this.#mail(mail));
    const empty = h("p", { class: "hint" }, "The e-mail with the code arrives here.");
    fill(this.#outbox, h("h3", {}, "Outbox of the embedded backend"), ...(shown.length === 0 ? [empty] : shown));
  }

  #mail({ email, code, challenge_id }: Mail): HTMLElement {
    const isMine = challenge_id === this.#challengeId;
    const use = h("button", { type: "button", class: "button small" }, `Use code ${code}`);
    use.addEventListener("click", () => {
      this.#code.value = code;
      this.#confirm.focus();
    });
    return h(
      "div",
      { class: "mail" },
      h("span", {}, h("span", { class: "hint" }, `to ${email}`)),
      isMine ? use : h("span", { class: "hint" }, "earlier"),
    );
  }

  async #logIn(): Promise<void> {
    await this.#trying(async () => {
      const chosen = new FormData(this.#second).get("algorithm");
      // An older browser has no Ed25519. Then the key has another accepted algorithm.
      const algorithms = this.#parts.algorithms.toSorted((a, b) => Number(b === chosen) - Number(a === chosen));
      const deviceKey = await generateDeviceKey({ algorithms });
      const code = this.#code.value.trim();
      this.#parts.onLogin(await confirmEmailCode({ baseUrl, challengeId: this.#challengeId, code, deviceKey }));
    });
  }

  async #trying(action: () => Promise<void>): Promise<void> {
    fill(this.#problem);
    setAttributes(this.#code, { "aria-invalid": false });
    try {
      await action();
    } catch (error) {
      fill(this.#problem, problemText(error));
      const isCode = !this.#second.hidden;
      setAttributes(this.#code, { "aria-invalid": isCode && "true", "aria-describedby": isCode && "login-problem" });
    }
  }
}

function problemText(error: unknown): string {
  if (!(error instanceof RestError)) return messageOf(error);
  const wait = error.retryAfterMs === undefined ? "" : ` Wait ${Math.ceil(error.retryAfterMs / 1000)} s.`;
  return `${error.code}: ${error.message}.${wait}`;
}

function input(attributes: Record<string, string | number | boolean>): HTMLInputElement {
  return h("input", attributes);
}

function field(label: string, control: HTMLInputElement): HTMLElement {
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

function form(button: HTMLButtonElement, submit: () => Promise<void>, ...children: HTMLElement[]): HTMLFormElement {
  const element = h("form", { class: "panel-body", novalidate: true }, ...children);
  // The content security policy of the page forbids form submissions.
  element.addEventListener("submit", (event) => event.preventDefault());
  onPress(button, submit);
  return element;
}

const ALGORITHM_TEXTS: Readonly<Record<KeyAlgorithm, string>> = { EdDSA: "Ed25519", ES256: "P-256 (as in secure hardware)" };

/** A choice of the accepted algorithms. The first one is selected. */
function algorithmChoice(accepted: readonly KeyAlgorithm[]): HTMLElement {
  const options = accepted.map((value, at) =>
    h("label", {}, h("input", { type: "radio", name: "algorithm", value, checked: at === 0 }), ALGORITHM_TEXTS[value]),
  );
  return h("fieldset", { class: "choice" }, h("legend", { class: "legend" }, "Device key"), ...options);
}
