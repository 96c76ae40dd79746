import { describe, expect, test } from "bun:test";
import type { BackendCommand, BackendReply, Route } from "../../../src/core/backend.ts";
import { refuse } from "../../../src/core/refusal.ts";
import { runCommand } from "../../../src/pipeline/command.ts";
import { LastingCalls } from "../../../src/pipeline/lasting-calls.ts";
import { admit } from "../../../src/pipeline/pipeline.ts";
import { MemoryAnswerStore } from "../../../src/stores/memory/answers.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { NO_CLIENT_HEADERS } from "../../support/no-client-headers.ts";
import { until } from "../../support/until.ts";
import { createPorts, incomingRequest, MARGIN_MS, NOW, ROUTE, refusalOf, SESSION, WINDOW_MS } from "./support/fixture.ts";

const KEEP_MS = 600_000;
const KEY = "key-12345";

interface Execution {
  readonly command: BackendCommand;
  readonly signal: AbortSignal;
  readonly answer: PromiseWithResolvers<BackendReply>;
}

/** A gateway whose backend answers when the test says so. */
class Bench {
  readonly clock = new ManualClock(NOW);
  readonly executions: Execution[] = [];
  readonly calls = new LastingCalls();
  readonly answers = new MemoryAnswerStore(this.clock, { entriesMax: 100, bytesMax: 1024 * 1024 });
  revoked = false;
  lookUps = 0;
  #requests = 0;
  readonly #route: Route = {
    ...ROUTE,
    keepAnswerMs: KEEP_MS,
    execute: async (command, signal, mayBeSent) => {
      await mayBeSent(false);
      const answer = Promise.withResolvers<BackendReply>();
      this.executions.push({ command, signal, answer });
      signal.addEventListener("abort", () => answer.reject(refuse("BACKEND_TIMEOUT")));
      return answer.promise;
    },
  };
  readonly #made = createPorts({
    answers: this.answers,
    lastingCalls: this.calls,
    clock: this.clock,
    backend: { route: () => this.#route },
    revocations: { revokedSince: () => (this.revoked ? "revoked" : "not_revoked") },
    sessions: {
      find: () => {
        this.lookUps++;
        return { session: SESSION, mark: 3 };
      },
    },
  });

  get steps(): readonly string[] {
    return this.#made.recorded.steps.filter((step) => step.startsWith("answer "));
  }

  /** Sends a newly signed request. `ageMs` is how long ago it was signed. */
  async send(
    change: { idempotencyKey?: string; ageMs?: number; payload?: string; signal?: AbortSignal } = {},
  ): Promise<string> {
    const { idempotencyKey = KEY, ageMs = 0, payload = "{}", signal = new AbortController().signal } = change;
    const envelope = {
      idempotencyKey,
      requestId: `request-${this.#requests++}`,
      timestampMs: BigInt(this.clock.now() - ageMs),
    };
    const admitted = await admit(incomingRequest({ envelope, payload }), this.#made.ports);
    const { signed, source } = await runCommand(admitted, NO_CLIENT_HEADERS, this.#made.ports, signal);
    return `${source} ${Buffer.from(signed.payloadBytes)}`;
  }

  /** Resolves when the backend has been called `times` times. */
  async reached(times: number): Promise<Execution> {
    await until(() => this.executions.length >= times, `call ${times} of the backend`);
    return this.executions[times - 1] ?? expect.unreachable();
  }
}

function reply(text: string): BackendReply {
  return { resultCode: "ok", payloadBytes: new TextEncoder().encode(text) };
}

describe("a request with an idempotency key on a route that keeps answers", () => {
  test("gets the answer of the first; the backend is called once, with the key", async () => {
    const bench = new Bench();
    const first = bench.send();
    const second = bench.send();
    const { command, answer } = await bench.reached(1);
    answer.resolve(reply("1"));
    expect([await first, await second, await bench.send()]).toEqual(["backend 1", "waited 1", "replayed 1"]);
    expect(bench.executions).toHaveLength(1);
    expect(command.idempotencyKey).toBe(KEY);
    expect(bench.steps).toEqual(["answer kept", "answer waited", "answer replayed"]);
  });

  test("is refused, and the backend not called, if another payload has the key", async () => {
    const bench = new Bench();
    const first = bench.send();
    const { answer } = await bench.reached(1);
    expect(await refusalOf(() => bench.send({ payload: '{"other":1}' }))).toMatchObject({ reason: "IDEMPOTENCY_KEY_REUSED" });
    answer.resolve(reply("1"));
    await first;
    expect(await refusalOf(() => bench.send({ payload: '{"other":1}' }))).toMatchObject({ reason: "IDEMPOTENCY_KEY_REUSED" });
    expect(bench.executions).toHaveLength(1);
  });

  test("checks the session again before it gets a kept answer, and looks it up again after a wait", async () => {
    const bench = new Bench();
    const first = bench.send();
    const { answer } = await bench.reached(1);
    const second = bench.send();
    await new Promise(setImmediate);
    const before = bench.lookUps;
    answer.resolve(reply("1"));
    expect(await second).toBe("waited 1");
    expect(bench.lookUps).toBe(before + 1);
    await first;
    bench.revoked = true;
    expect(await refusalOf(() => bench.send())).toMatchObject({ reason: "SESSION_REVOKED" });
  });

  test("that takes over after a wait looks the session up again before it calls the backend", async () => {
    const bench = new Bench();
    const first = bench.send();
    const { answer } = await bench.reached(1);
    const second = bench.send();
    await new Promise(setImmediate);
    const before = bench.lookUps;
    answer.reject(refuse("BACKEND_UNAVAILABLE"));
    expect(await refusalOf(() => first)).toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
    (await bench.reached(2)).answer.resolve(reply("2"));
    expect(await second).toBe("backend 2");
    expect(bench.lookUps).toBe(before + 1);
    expect(bench.steps).toEqual(["answer released", "answer kept"]);
  });

  test("of a revoked session frees the key: the refusal is not kept", async () => {
    const bench = new Bench();
    bench.revoked = true;
    expect(await refusalOf(() => bench.send())).toMatchObject({ reason: "SESSION_REVOKED" });
    bench.revoked = false;
    const next = bench.send();
    (await bench.reached(1)).answer.resolve(reply("1"));
    expect(await next).toBe("backend 1");
  });

  test("continues when its client goes; one that waits does not", async () => {
    const bench = new Bench();
    const gone = new AbortController();
    const first = bench.send({ signal: gone.signal });
    const { answer, signal } = await bench.reached(1);
    const second = bench.send({ signal: gone.signal });
    await new Promise(setImmediate);
    gone.abort();
    expect(await refusalOf(() => second)).toMatchObject({ reason: "BACKEND_TIMEOUT" });
    expect(signal.aborted).toBe(false);
    answer.resolve(reply("1"));
    await first;
    expect(await bench.send()).toBe("replayed 1");
  });

  test("is cancelled when the gateway stops; a drain waits for its end", async () => {
    const bench = new Bench();
    const first = bench.send();
    await bench.reached(1);
    let isDrained = false;
    const drained = bench.calls.drain().then(() => {
      isDrained = true;
    });
    await new Promise(setImmediate);
    expect(isDrained).toBe(false);
    bench.calls.abort();
    expect(await refusalOf(() => first)).toMatchObject({ reason: "BACKEND_TIMEOUT" });
    await drained;
  });
});

describe("the age of a kept answer", () => {
  async function answered(ageMs = 0): Promise<Bench> {
    const bench = new Bench();
    const first = bench.send({ ageMs });
    (await bench.reached(1)).answer.resolve(reply("1"));
    await first;
    return bench;
  }

  test("starts with the answer: a request gets it until keep_answer_ms have passed, and not 1 ms later", async () => {
    const bench = await answered();
    bench.clock.advance(KEEP_MS);
    expect(await bench.send()).toBe("replayed 1");
    bench.clock.advance(1);
    const next = bench.send();
    (await bench.reached(2)).answer.resolve(reply("2"));
    expect(await next).toBe("backend 2");
  });

  test("a request that was signed in time gets it as long as the request is fresh", async () => {
    const bench = await answered();
    bench.clock.advance(KEEP_MS + WINDOW_MS);
    bench.answers.trim();
    expect(await bench.send({ ageMs: WINDOW_MS })).toBe("replayed 1");
    bench.clock.advance(1);
    expect(await refusalOf(() => bench.send({ ageMs: WINDOW_MS + 1 }))).toMatchObject({ reason: "TIMESTAMP_OUT_OF_WINDOW" });
    expect(bench.executions).toHaveLength(1);
  });

  test("a device whose clock is ahead by the whole window has the same time", async () => {
    const bench = await answered(-WINDOW_MS);
    bench.clock.advance(KEEP_MS);
    bench.answers.trim();
    expect(await bench.send({ ageMs: -WINDOW_MS })).toBe("replayed 1");
    bench.clock.advance(2 * WINDOW_MS);
    bench.answers.trim();
    expect(await bench.send({ ageMs: WINDOW_MS })).toBe("replayed 1");
    expect(bench.executions).toHaveLength(1);
  });

  test("does not depend on a wall clock that is set ahead, for good or for a while", async () => {
    const bench = await answered();
    bench.clock.step(10 * KEEP_MS);
    bench.answers.trim();
    expect(await bench.send()).toBe("replayed 1");
    bench.clock.advance(KEEP_MS);
    expect(await bench.send()).toBe("replayed 1");
    bench.clock.step(-10 * KEEP_MS);
    bench.answers.trim();
    expect(await bench.send()).toBe("replayed 1");
    expect(bench.executions).toHaveLength(1);
  });

  test("does not end before a request that was signed in time is too old on a wall clock that was set back", async () => {
    const bench = await answered();
    bench.clock.step(-KEEP_MS);
    bench.clock.advance(2 * KEEP_MS);
    bench.answers.trim();
    expect(await bench.send()).toBe("replayed 1");
    bench.clock.advance(WINDOW_MS + MARGIN_MS);
    bench.answers.trim();
    expect(bench.answers.entries).toBe(0);
  });

  test("ends: the answer is deleted when no request in time can be fresh", async () => {
    const bench = await answered();
    bench.clock.advance(KEEP_MS + WINDOW_MS + MARGIN_MS - 1);
    bench.answers.trim();
    expect(bench.answers.entries).toBe(1);
    bench.clock.advance(1);
    bench.answers.trim();
    expect([bench.answers.entries, bench.answers.bytes]).toEqual([0, 0]);
  });
});

test("on a route that keeps no answers, the key is checked by a short claim that ends before the backend call", async () => {
  const steps: string[] = [];
  const { ports } = createPorts({
    answers: {
      claim: (_, leaseMs) => {
        steps.push(`claim ${leaseMs}`);
        return { kind: "first", waited: false, claim: { keep: () => true, release: () => void steps.push("release") } };
      },
    },
    backend: {
      route: () => ({
        ...ROUTE,
        keepAnswerMs: undefined,
        execute: async () => {
          steps.push("execute");
          return { resultCode: "ok", payloadBytes: new Uint8Array() };
        },
      }),
    },
  });
  const request = await admit(incomingRequest({ envelope: { idempotencyKey: KEY } }), ports);
  await runCommand(request, NO_CLIENT_HEADERS, ports, new AbortController().signal);
  expect(steps).toEqual(["claim 1000", "release", "execute"]);
});
