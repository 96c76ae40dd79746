import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { outcomeOf } from "../../support/outcome.ts";
import type { Device } from "../../support/world.ts";

/** Copies of a request, each over a connection of its own. */
const COPIES = 3;
const CALL_MS_MAX = 5000;
/** Pause between two pushed events. */
const PUSH_MS = 10;

/** The load on a gateway whose workers are killed. It runs until `stop`. */
export class ChaosLoad {
  /** The most copies of one request that succeeded. */
  mostOk = 0;
  /** The longest time between two commands that succeeded, in ms. */
  longestPauseMs = 0;
  /** The outcomes of all calls, by their text. */
  readonly outcomes = new Map<string, number>();
  /** When each request was sent that was refused because the replay table was busy, in ms. */
  readonly refusedMs: number[] = [];
  readonly #edgeUrl: string;
  readonly #device: Device;
  #isStopped = false;
  #commands = 0;
  #lastOkMs = performance.now();
  readonly #running: Promise<void>[] = [];

  constructor(edgeUrl: string, device: Device) {
    this.#edgeUrl = edgeUrl;
    this.#device = device;
    this.#running = [this.#sendCopies(), this.#sendCopies(), this.#sendLimited(), this.#sendLimited()];
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #sendCopies(): Promise<void> {
    while (!this.#isStopped) {
      const n = ++this.#commands;
      const request = await this.#device.signer.sign("chaos.once", new TextEncoder().encode(JSON.stringify({ n })));
      const outcomes = await Promise.all(Array.from({ length: COPIES }, () => this.#call(request)));
      const ok = outcomes.filter((outcome) => outcome === "ok").length;
      this.mostOk = Math.max(this.mostOk, ok);
      if (ok > 0) this.#noteOk();
    }
    this.#noteOk();
  }

  async #sendLimited(): Promise<void> {
    while (!this.#isStopped) await this.#call(await this.#device.signer.sign("chaos.limited", new TextEncoder().encode("{}")));
  }

  async #call(request: Awaited<ReturnType<Device["signer"]["sign"]>>): Promise<string> {
    const client = createClient(Gateway, createConnectTransport({ baseUrl: this.#edgeUrl, httpVersion: "1.1" }));
    const sentMs = performance.now();
    const outcome = await outcomeOf(
      async () => (await client.executeCommand(request, { timeoutMs: CALL_MS_MAX })).envelope?.resultCode,
    );
    if (outcome.startsWith("REPLAY_STORE_UNAVAILABLE")) this.refusedMs.push(sentMs);
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    return outcome;
  }

  #noteOk(): void {
    const nowMs = performance.now();
    this.longestPauseMs = Math.max(this.longestPauseMs, nowMs - this.#lastOkMs);
    this.#lastOkMs = nowMs;
  }
}

/** Pushes numbers to a user, in order, until `stop`. */
export class NumberedEvents {
  readonly #running: Promise<void>;
  #isStopped = false;
  #last = 0;

  constructor(restUrl: string, { userId }: Device) {
    this.#running = this.#push(restUrl, userId);
  }

  /** Resolves to the last number. */
  async stop(): Promise<number> {
    this.#isStopped = true;
    await this.#running;
    return this.#last;
  }

  async #push(restUrl: string, userId: string): Promise<void> {
    while (!this.#isStopped) {
      const body = JSON.stringify({ user_id: userId, event_type: "test.number", payload: { n: ++this.#last } });
      await fetch(`${restUrl}/dev/push`, { method: "POST", body, headers: { "content-type": "application/json" } });
      await Bun.sleep(PUSH_MS);
    }
  }
}
