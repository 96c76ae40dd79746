import type { SetupRoute } from "../setup.ts";
import type { Command } from "./device-session.ts";
import { fill, h, onPress, setAttributes } from "./dom.ts";
import { messageOf } from "./message-of.ts";

const OTHER = "";
/** The initial payload in the editor, by message type. */
const TEMPLATES: Readonly<Record<string, string>> = {
  "user.profile.update": '{\n  "display_name": "Ada Lovelace"\n}',
  "chat.message.send": '{\n  "room_id": "lobby",\n  "text": "Hello from the playground"\n}',
};

/** The editor of commands: message type, payload, idempotency key. */
export class ComposerView {
  readonly #root: HTMLElement;
  readonly #routes: readonly SetupRoute[];
  readonly #type: HTMLSelectElement;
  readonly #route = h("p", { class: "hint mono", id: "route" });
  readonly #other = h("input", { id: "other-type", placeholder: "orders.item.add", spellcheck: "false", autocomplete: "off" });
  readonly #otherField = field("Other message type", this.#other);
  readonly #payload = h("textarea", {
    id: "payload",
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": "payload-problem",
  });
  readonly #problem = h("p", { class: "problem", id: "payload-problem", role: "status" });
  readonly #key = h("input", { id: "idempotency", spellcheck: "false", autocomplete: "off", class: "mono" });
  readonly #send = h("button", { type: "button", class: "button main" }, "Sign and send");

  constructor(root: HTMLElement, routes: readonly SetupRoute[], onSend: (command: Command) => Promise<void>) {
    this.#root = root;
    this.#routes = routes;
    this.#type = h("select", { id: "message-type", "aria-describedby": "route" }, ...typeOptions(routes));
    this.#type.addEventListener("change", () => this.#chooseType());
    this.#payload.addEventListener("input", () => this.#validate());
    this.#payload.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#send.click();
    });
    onPress(this.#send, async () => {
      const command = this.command();
      if (command === undefined) this.#payload.focus();
      else await onSend(command);
    });
    this.#build();
    this.#chooseType();
  }

  /** The command in the editor; `undefined` if the payload is not JSON. */
  command(): Command | undefined {
    if (!this.#validate()) return undefined;
    const messageType = this.#type.value === OTHER ? this.#other.value.trim() : this.#type.value;
    return { messageType, payloadText: compact(this.#payload.value), idempotencyKey: this.#key.value.trim() || undefined };
  }

  /** Puts an earlier command into the editor. */
  load({ messageType, payloadText }: Command): void {
    this.#type.value = this.#routes.some(({ message_type }) => message_type === messageType) ? messageType : OTHER;
    this.#other.value = messageType;
    this.#otherField.hidden = this.#type.value !== OTHER;
    this.#payload.value = pretty(payloadText);
    this.#showRoute();
    this.#validate();
  }

  set isHidden(isHidden: boolean) {
    this.#root.hidden = isHidden;
  }

  focus(): void {
    this.#type.focus();
  }

  #build(): void {
    const format = h("button", { type: "button", class: "button small" }, "Format");
    format.addEventListener("click", () => {
      this.#payload.value = pretty(this.#payload.value);
    });
    const newKey = h("button", { type: "button", class: "button small" }, "New key");
    newKey.addEventListener("click", () => {
      this.#key.value = crypto.randomUUID();
    });
    const keyField = field("Idempotency key (optional)", this.#key);
    keyField.append(
      h(
        "p",
        { class: "hint" },
        "The same key in each attempt at one command. On a route that keeps answers, it is executed once.",
      ),
      h("div", { class: "row" }, newKey),
    );
    fill(
      this.#root,
      h("h2", { id: "composer-title" }, "Send a command"),
      field("Message type", this.#type, this.#route),
      this.#otherField,
      h("div", { class: "field" }, h("label", { for: "payload" }, "Payload, JSON or empty"), this.#payload, this.#problem),
      h("div", { class: "row" }, this.#send, format, h("span", { class: "hint" }, "Ctrl + Enter sends")),
      h("details", {}, h("summary", {}, "Idempotency"), keyField),
    );
  }

  #chooseType(): void {
    this.#otherField.hidden = this.#type.value !== OTHER;
    this.#payload.value = TEMPLATES[this.#type.value] ?? "";
    this.#showRoute();
    this.#validate();
  }

  #showRoute(): void {
    const route = this.#routes.find(({ message_type }) => message_type === this.#type.value);
    fill(this.#route, route && `→ ${route.method} ${route.path}`);
  }

  #validate(): boolean {
    const problem = problemOf(this.#payload.value);
    fill(this.#problem, problem);
    setAttributes(this.#payload, { "aria-invalid": problem !== undefined && "true" });
    return problem === undefined;
  }
}

function typeOptions(routes: readonly SetupRoute[]): HTMLElement[] {
  const known = routes.map(({ message_type }) => h("option", { value: message_type }, message_type));
  return [...known, h("option", { value: OTHER }, "another message type …")];
}

function field(label: string, control: HTMLElement, hint?: HTMLElement): HTMLElement {
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, hint);
}

function problemOf(text: string): string | undefined {
  if (text.trim() === "") return undefined;
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `Not JSON: ${messageOf(error)}`;
  }
}

function pretty(text: string): string {
  return problemOf(text) === undefined && text.trim() !== "" ? JSON.stringify(JSON.parse(text), null, 2) : text;
}

function compact(text: string): string {
  return text.trim() === "" ? "" : JSON.stringify(JSON.parse(text));
}
