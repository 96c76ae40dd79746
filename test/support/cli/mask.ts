/** Replaces what differs from run to run: ids, keys, times and ports. */
export class Mask {
  readonly #fixed: ReadonlyMap<string, string>;
  readonly #ids = new Map<string, string>();

  /** `fixed`: texts that are known before, such as the URL of the gateway, and what stands for them. */
  constructor(fixed: Readonly<Record<string, string>>) {
    this.#fixed = new Map(Object.entries(fixed));
  }

  of(text: string): string {
    let masked = text;
    for (const [from, to] of this.#fixed) masked = masked.replaceAll(from, to);
    return masked
      .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, (id) => this.#numbered("id", id))
      .replace(/\b(?:[0-9a-f]{32}|[A-Z2-7]{26})\b/g, (id) => this.#numbered("id", id))
      .replace(/\b[0-9a-f]{64,}\b/g, (hex) => (hex === EMPTY_HASH ? hex : `<${hex.length / 2} bytes in hex>`))
      .replace(/(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])/g, (id) => this.#numbered("key", id))
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<ISO time>")
      .replace(/\b1[789]\d{11}\b/g, "<Unix ms>")
      .replace(/\b\d\d:\d\d:\d\d\b/g, "hh:mm:ss")
      .replace(/(clock[_ ](?:offset|error)[_ ]ms(?:[":\s]|«\d+»)+)-?\d+/g, "$1<ms>")
      .replace(EVENT_ID, (id) => this.#numbered("event", id))
      .replace(/\bCode: \d{6}\b/g, "Code: <code>")
      .replace(/, \d+ ms\b/g, ", <ms> ms");
  }

  /** The same value gets the same number, so that a transcript shows which values are equal. */
  #numbered(kind: string, value: string): string {
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const count = [...this.#ids.values()].filter((each) => each.startsWith(`<${kind} `)).length;
    this.#ids.set(value, `<${kind} ${count + 1}>`);
    return `<${kind} ${count + 1}>`;
  }
}

/** An event id, or a word of its length with a digit and a capital. One id in forty has no digit. */
const EVENT_ID = /(?<![\w-])(?:(?<=event_id["\s:]+)|(?=\S*\d)(?=\S*[A-Z]))[A-Za-z0-9_-]{22}(?![\w-])/g;

/** SHA-256 of nothing, the hash of an empty payload. */
const EMPTY_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
