import type { Fetch } from "../../../client/index.ts";

/** What went over the network for one attempt. */
export interface Exchange {
  readonly path: string;
  readonly sentBytes: number;
  /** The HTTP status; `undefined` if there was no answer. */
  readonly status: number | undefined;
  readonly receivedBytes: number;
  readonly durationMs: number;
}

/** Replaces the body of an answer before the client sees it, as a hostile proxy could. */
export type AlterAnswer = (answer: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

/** A `fetch` that records the latest call, and can alter its answer. */
export class Wire {
  readonly #alter: AlterAnswer;
  #exchange: Exchange | undefined;
  #answer: Uint8Array<ArrayBuffer> = new Uint8Array();

  constructor(alter: AlterAnswer = (answer) => answer) {
    this.#alter = alter;
  }

  readonly fetch: Fetch = async (url, init) => {
    const startedMs = performance.now();
    const sentBytes = sizeOf(init.body);
    const path = new URL(url, location.origin).pathname;
    const record = (status: number | undefined, receivedBytes: number) => {
      this.#exchange = { path, sentBytes, status, receivedBytes, durationMs: performance.now() - startedMs };
    };
    record(undefined, 0);
    const response = await fetch(url, init);
    this.#answer = new Uint8Array(await response.arrayBuffer());
    record(response.status, this.#answer.byteLength);
    return new Response(this.#alter(this.#answer), { status: response.status, headers: response.headers });
  };

  get exchange(): Exchange | undefined {
    return this.#exchange;
  }

  /** The body of the latest answer, as the gateway sent it. */
  get answer(): Uint8Array<ArrayBuffer> {
    return this.#answer;
  }
}

function sizeOf(body: RequestInit["body"]): number {
  return body instanceof Uint8Array ? body.byteLength : 0;
}
