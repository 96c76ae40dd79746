import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Revocation } from "../../../src/core/sessions.ts";
import { FakeSink } from "../hub/support/fake-sink.ts";
import { createHub, event, localStreams, refusalOf } from "../hub/support/hub-fixture.ts";
import { seedOf } from "../hub/support/model-run.ts";
import { SimulatedWorker } from "./support/simulated-worker.ts";

/**
 * Registrations at workers against events and revocations in the supervisor, in every order in which the messages between them can
 * arrive. A failure prints the seed: `MODEL_SEED=<seed> bun test test/unit/workers/interleavings.test.ts`.
 */

const SEQUENCES = 400;
const WORKERS = 2;
const SESSIONS = ["s-0", "s-1"];
/** More revocations than the log of the fixture holds. */
const MORE_THAN_THE_LOG = 5;
const OUTBOX = { bytesMax: 1_000_000, messagesMax: 1000 };

interface Stream {
  readonly worker: SimulatedWorker;
  readonly session: string;
  readonly sink: FakeSink;
  /** The number of revocations of the session when it was looked up at the worker. */
  readonly revocations: number;
  /** The number of the event after which it resumes. */
  readonly after: number | undefined;
  outcome: string | undefined;
  isLost: boolean;
}

const worker = fc.nat({ max: WORKERS - 1 });
const session = fc.constantFrom(...SESSIONS);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("register" as const), worker, session, resumes: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("publish" as const), session }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("revoke" as const), session, times: fc.constantFrom(1, 1, MORE_THAN_THE_LOG) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("disconnect" as const), choice: fc.nat({ max: 99 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("up" as const), worker }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("down" as const), worker }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("end of turn" as const), worker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const), worker }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Run {
  readonly #fixture = createHub({ outbox: OUTBOX });
  /** The number of revocations of each session. */
  readonly #revocations = new Map<string, number>();
  /** Each worker, and the position in the revocation log that it knows. */
  readonly #workers = Array.from({ length: WORKERS }, () => this.#newWorker());
  readonly #streams: Stream[] = [];
  readonly #published = new Map<string, number[]>(SESSIONS.map((id) => [id, []]));
  #count = 0;
  readonly outcomes = new Set<string>();

  #newWorker() {
    const state = { mark: this.#fixture.revocations.mark(), seen: new Map(this.#revocations) };
    const worker = new SimulatedWorker({
      hub: localStreams(this.#fixture),
      outbox: OUTBOX,
      clock: this.#fixture.clock,
      onMessage: (message) => {
        if (message.type !== "revoke") return;
        state.mark = message.mark;
        const id = message.revocation.deviceSessionId ?? "";
        state.seen.set(id, (state.seen.get(id) ?? 0) + 1);
      },
    });
    return { worker, state };
  }

  async perform(step: Step): Promise<void> {
    switch (step.do) {
      case "register":
        return this.#register(step.worker, step.session, step.resumes);
      case "publish":
        return this.#publish(step.session);
      case "revoke":
        for (let n = 0; n < step.times; n++) this.#revoke({ deviceSessionId: step.session });
        return;
      case "disconnect":
        return this.#disconnect(step.choice);
      case "up":
        return this.#workers[step.worker]?.worker.deliverUp();
      case "down":
        return this.#workers[step.worker]?.worker.deliverDown();
      case "end of turn":
        return this.#workers[step.worker]?.worker.endTurn();
      case "kill":
        return this.#kill(step.worker);
    }
  }

  #register(at: number, session: string, resumes: boolean): void {
    const { worker, state } = this.#workers[at] ?? expect.unreachable();
    const earlier = resumes
      ? this.#streams.findLast((each) => each.session === session && each.sink.delivered.length > 0)
      : undefined;
    const resumeAfter = earlier?.sink.ids.at(-1);
    const sink = new FakeSink();
    const after = earlier === undefined ? undefined : numberOf(earlier.sink.delivered.at(-1));
    const revocations = state.seen.get(session) ?? 0;
    const stream: Stream = { worker, session, sink, revocations, after, outcome: undefined, isLost: false };
    this.#streams.push(stream);
    const admission = this.#fixture.admissionOf(session, "u-0", { mark: state.mark, resumeAfter });
    worker.streams.register(admission, sink).then(
      () => {
        stream.outcome ??= "admitted";
      },
      (refusal) => {
        stream.outcome = refusalOf(() => {
          throw refusal;
        });
      },
    );
  }

  #publish(session: string): void {
    const n = ++this.#count;
    this.#published.get(session)?.push(n);
    this.#fixture.hub.publish(event({ deviceSessionId: session, eventId: `e-${n}` }));
  }

  #revoke(revocation: Revocation): void {
    const id = revocation.deviceSessionId ?? "";
    this.#revocations.set(id, (this.#revocations.get(id) ?? 0) + 1);
    this.#fixture.revocations.append(revocation);
    this.#fixture.hub.revoke(revocation);
    const mark = this.#fixture.revocations.mark();
    for (const { worker } of this.#workers) worker.link.send({ type: "revoke", revocation, mark });
  }

  #disconnect(choice: number): void {
    const open = this.#streams.filter(({ sink, isLost }) => !sink.ended && !isLost);
    open[choice % open.length]?.sink.disconnect();
  }

  #kill(at: number): void {
    const { worker } = this.#workers[at] ?? expect.unreachable();
    worker.kill();
    for (const stream of this.#streams) if (stream.worker === worker) stream.isLost = true;
    this.#workers[at] = this.#newWorker();
  }

  /** Delivers everything, and checks what must then hold. */
  async check(): Promise<void> {
    for (const { worker } of this.#workers) await worker.deliverAll();
    const live = this.#streams.filter(({ isLost }) => !isLost);
    for (const stream of live) this.#checkStream(stream);
    const open = live.filter(({ outcome, sink }) => outcome === "admitted" && !sink.ended);
    expect(this.#fixture.streams()).toBe(open.length);
    expect(this.#workers.reduce((sum, { worker }) => sum + worker.streams.count, 0)).toBe(open.length);
  }

  #checkStream({ session, sink, outcome, revocations, after }: Stream): void {
    expect(outcome).toBeDefined();
    this.outcomes.add(outcome === "admitted" && sink.ended ? `ended ${sink.ends[0] ?? "client"}` : String(outcome));
    const isRevoked = (this.#revocations.get(session) ?? 0) > revocations;
    if (outcome === "admitted" && isRevoked) expect(sink.ended).toBe(true);
    if (outcome !== "admitted" && !sink.ended) expect(isRevoked || outcome === "SESSION_LOOKUP_UNAVAILABLE").toBe(true);
    const received = sink.delivered.map(numberOf);
    const published = this.#published.get(session) ?? [];
    // Without a gap, from the first received event or the one after which the stream resumed.
    const from =
      after !== undefined && sink.frames.length > 0 ? published.indexOf(after) + 1 : published.indexOf(received[0] ?? -1);
    const expected = published.slice(from, from + received.length);
    if (received.length > 0) expect(received).toEqual(expected);
    if (outcome === "admitted" && !sink.ended) {
      expect(sink.types[0]).toBe("gateway.server_time");
      if (received.length > 0 || after !== undefined) expect(from + received.length).toBe(published.length);
      if (after !== undefined) expect(sink.serverTime.resumed).toBe(true);
    }
  }
}

function numberOf(id: string | undefined): number {
  return Number(id?.replace("e-", ""));
}

test("a registration misses no event and no revocation, in whatever order the messages arrive", async () => {
  const seed = seedOf(process.env["MODEL_SEED"]);
  const outcomes = new Set<string>();
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80, size: "max" }), async (sequence) => {
    const run = new Run();
    for (const each of sequence) await run.perform(each);
    await run.check();
    for (const outcome of run.outcomes) outcomes.add(outcome);
  });
  try {
    await fc.assert(property, { seed, numRuns: SEQUENCES });
  } catch (error) {
    console.error(`interleaving test failed; replay with MODEL_SEED=${seed}`);
    throw error;
  }
  expect([...outcomes].sort()).toEqual([
    "SESSION_LOOKUP_UNAVAILABLE",
    "SESSION_REVOKED",
    "admitted",
    "ended SESSION_REVOKED",
    "ended client",
  ]);
}, 60_000);
