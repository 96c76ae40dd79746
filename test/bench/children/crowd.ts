import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { subscription, subscriptionFields, subscriptionOverHttp1 } from "../../support/load-device.ts";

export interface CrowdParameters {
  readonly port: number;
  readonly streams: number;
  readonly http: "1.1" | "2";
  readonly contentType: string;
  /** Over HTTP/2. */
  readonly streamsPerConnection: number;
  /** Text that every event contains once, and nothing else contains. */
  readonly mark: string;
}

/** Streams that are opened concurrently. */
const OPENING_MAX = 64;

/** Many streams over raw connections. They read, and record when each event arrives. */
export class Crowd {
  /** The arrival times in Unix milliseconds, by the clock of `performance`. */
  readonly arrivals: number[] = [];
  readonly #parameters: CrowdParameters;
  #onArrival: () => void = () => {};
  readonly #connections: ClientHttp2Session[] = [];

  constructor(parameters: CrowdParameters) {
    this.#parameters = parameters;
  }

  /** Resolves when every stream has received its first bytes. */
  async open(): Promise<void> {
    const { http, streams } = this.#parameters;
    const left = Array.from({ length: streams }, (_, n) => n).values();
    const worker = async () => {
      for (const n of left) await (http === "1.1" ? this.#openOverHttp1(n) : this.#openOverHttp2(n));
    };
    await Promise.all(Array.from({ length: OPENING_MAX }, worker));
  }

  /** Resolves when `arrivals` has at least this many entries. One call at a time. */
  arrived(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onArrival = () => {
      if (this.arrivals.length >= count) resolve();
    };
    this.#onArrival();
    return promise;
  }

  #record(): void {
    this.arrivals.push(now());
    this.#onArrival();
  }

  async #openOverHttp1(n: number): Promise<void> {
    const { port, contentType } = this.#parameters;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const take = this.#watch(resolve);
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write(subscriptionOverHttp1(sessionOf(n), contentType)),
        data: (_, chunk) => take(chunk),
        close: () => reject(new Error("the server closed the connection")),
        error: (_, error) => reject(error),
      },
    });
    return promise;
  }

  async #openOverHttp2(n: number): Promise<void> {
    const { port, contentType, streamsPerConnection } = this.#parameters;
    const at = Math.floor(n / streamsPerConnection);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#connections[at] ??= connectHttp2(`http://127.0.0.1:${port}`);
    const stream = this.#connections[at].request(subscriptionFields(contentType));
    stream.on("data", this.#watch(resolve));
    stream.on("error", reject);
    stream.on("close", () => reject(new Error("the server closed the stream")));
    stream.end(subscription(sessionOf(n)));
    return promise;
  }

  /** Finds the marks in a stream, also across two chunks. */
  #watch(opened: () => void): (chunk: Buffer) => void {
    const { mark } = this.#parameters;
    let isOpen = false;
    let tail: Buffer = Buffer.alloc(0);
    return (chunk) => {
      const seam = Buffer.concat([tail, chunk.subarray(0, mark.length - 1)]);
      if (seam.includes(mark)) this.#record();
      for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + mark.length)) this.#record();
      tail = Buffer.from(chunk.length < mark.length ? seam : chunk).subarray(1 - mark.length);
      if (!isOpen) opened();
      isOpen = true;
    };
  }
}

function sessionOf(n: number): string {
  return `bench-session-${n}`;
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
