import type { Clock } from "../../core/clock.ts";
import { connectTest } from "./connect-test.ts";
import type { UpstreamUrl } from "./upstream-url.ts";

/** One address of an upstream. All pools share its health checks and its connection tests. */
export class UpstreamAddress {
  readonly host: string;
  /** The start of the URL of each call to this address. */
  readonly baseUrl: string;
  /** The host and the port. The default port of the scheme is left out. */
  readonly hostAndPort: string;
  readonly url: UpstreamUrl;
  /** False while active health checks fail. */
  isHealthy = true;
  /** When the address became usable, on the monotonic clock. The slow start begins then. */
  usableSinceMs: number;
  readonly #clock: Clock;
  #aliveMs = Number.NEGATIVE_INFINITY;
  #test: Promise<string | undefined> | undefined;

  constructor(url: UpstreamUrl, host: string, clock: Clock, usableSinceMs: number) {
    this.url = url;
    this.host = host;
    this.baseUrl = url.at(host);
    this.hostAndPort = new URL(this.baseUrl).host;
    this.usableSinceMs = usableSinceMs;
    this.#clock = clock;
  }

  /** Records an answer of the address. `nowMs` is a time of the monotonic clock. */
  answered(nowMs: number): void {
    this.#aliveMs = nowMs;
  }

  /** Returns true if the address has answered within the last `timeoutMs`. */
  isAlive(timeoutMs: number): boolean {
    return this.#clock.monotonic() - this.#aliveMs < timeoutMs;
  }

  /**
   * Opens and closes a TCP connection. Resolves to `undefined` if it opened within `timeoutMs`, else to the problem. Concurrent
   * calls share one test.
   */
  test(timeoutMs: number): Promise<string | undefined> {
    this.#test ??= connectTest(this.host, this.url.port, timeoutMs).then((problem) => {
      this.#test = undefined;
      if (problem === undefined) this.answered(this.#clock.monotonic());
      return problem;
    });
    return this.#test;
  }
}
