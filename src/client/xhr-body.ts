import { Code, ConnectError } from "@connectrpc/connect";
import { deferred } from "./deferred.ts";

/**
 * Maximum length of an answer, in characters. XMLHttpRequest keeps the whole answer in memory. So the client ends a longer
 * stream and resumes it. An answer has room for any event, because an event's payload has at most 1 MiB.
 */
const CHARS_MAX = 8 * 1024 * 1024;

/** One XMLHttpRequest. The body of its answer is base64, and is read while it arrives. */
export class XhrBody {
  readonly #request = new XMLHttpRequest();
  #taken = 0;
  #error: ConnectError | undefined;
  #isDone = false;
  #arrived = deferred();

  constructor(url: string, headers: Headers, signal: AbortSignal | undefined) {
    this.#request.open("POST", url);
    headers.forEach((value, name) => {
      this.#request.setRequestHeader(name, value);
    });
    signal?.addEventListener("abort", () => this.#end(new ConnectError("the stream was aborted", Code.Canceled)));
    if (signal?.aborted) this.#end(new ConnectError("the stream was aborted", Code.Canceled));
  }

  /** The HTTP status of the answer. */
  get status(): number {
    return this.#request.status;
  }

  /** The header lines of the answer, as far as CORS lets the page read them. */
  get headers(): string {
    return this.#request.getAllResponseHeaders();
  }

  send(text: string): void {
    const request = this.#request;
    request.onprogress = () => this.#arrived.resolve();
    request.onload = () => this.#end(undefined);
    request.onerror = () => this.#end(new ConnectError("the gateway cannot be reached", Code.Unavailable));
    if (!this.#isDone) request.send(text);
  }

  abort(): void {
    this.#end(undefined);
    this.#request.abort();
  }

  /** Yields the body while it arrives, in pieces whose length is a multiple of 4. Throws if the request failed. */
  async *chunks(): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const isDone = this.#isDone;
      const piece = this.#error === undefined ? this.#take() : "";
      if (piece !== "") yield piece;
      else if (this.#error !== undefined) throw this.#error;
      else if (isDone) return;
      else await this.#next();
    }
  }

  #take(): string {
    const { responseText, status } = this.#request;
    if (status !== 200) return "";
    if (this.#taken > CHARS_MAX) throw new ConnectError("the stream is long enough", Code.Unavailable);
    const whole = responseText.length - (responseText.length % 4);
    const piece = responseText.slice(this.#taken, whole);
    this.#taken = whole;
    return piece;
  }

  async #next(): Promise<void> {
    await this.#arrived.promise;
    if (!this.#isDone) this.#arrived = deferred();
  }

  #end(error: ConnectError | undefined): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#error = error;
    if (error !== undefined) this.#request.abort();
    this.#arrived.resolve();
  }
}
