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
    this.#second = form(this.#confirm, () => this.#logIn(), field("Code", this.#code), algorithmChoice(), this.#confirm);
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
      const deviceKey = await generateDeviceKey({ algorithms: [chosenAlgorithm(this.#second), "EdDSA", "ES256"] });
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

function algorithmChoice(): HTMLElement {
  const option = (value: KeyAlgorithm, text: string) =>
    h("label", {}, h("input", { type: "radio", name: "algorithm", value, checked: value === "EdDSA" }), text);
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", { class: "legend" }, "Device key"),
    option("EdDSA", "Ed25519"),
    option("ES256", "P-256 (as in secure hardware)"),
  );
}

function chosenAlgorithm(of: HTMLFormElement): KeyAlgorithm {
  return new FormData(of).get("algorithm") === "ES256" ? "ES256" : "EdDSA";
}
