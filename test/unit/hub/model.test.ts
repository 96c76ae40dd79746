import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeSink } from "./support/fake-sink.ts";
import { type Audience, BOUNDS, HubModel, LARGE_BYTES, type ModelStream, type Session, userOf } from "./support/hub-model.ts";
import { type OfClient, type Register, type Step, steps } from "./support/hub-steps.ts";
import { event, refusalOf, setUp } from "./support/setting.ts";
import { payloadOf, ToldReader } from "./support/told.ts";

/**
 * The hub against its model, step by step, over random interleavings of everything that can happen: what every stream has been told, whether
 * it has ended and why, who is refused, and who resumes.
 */

/** A stream of the model, and what the hub made of it. */
interface Pair {
  readonly model: ModelStream;
  readonly reader: ToldReader;
}

class Run {
  /** What has happened, by name: to see that all of it does. */
  readonly reached = new Map<string, number>();
  readonly #model = new HubModel();
  readonly #pairs: Pair[] = [];
  readonly #lookUps = new Map<Session, number>();
  #luck = 0;
  readonly #setting = setUp({
    random: () => this.#luck,
    streams: {
      perSessionMax: BOUNDS.streams.perSession,
      perUserMax: BOUNDS.streams.perUser,
      perNetworkMax: 100,
      totalMax: 100,
    },
    outbox: { bytesMax: BOUNDS.outbox.large * LARGE_BYTES, messagesMax: BOUNDS.outbox.messages },
    history: {
      eventsMax: BOUNDS.history.events,
      bytesMax: BOUNDS.history.large * LARGE_BYTES,
      totalBytesMax: BOUNDS.history.totalLarge * LARGE_BYTES,
      ageMs: BOUNDS.history.ageMs,
    },
    streamAgeMs: BOUNDS.streamAgeMs,
  });

  async play(sequence: readonly Step[]): Promise<void> {
    for (const step of sequence) {
      this.#act(step);
      // Not even a microtask lies between a step that is at once, and the next.
      if (!("atOnce" in step && step.atOnce)) await this.#settle();
      this.#compare();
    }
    await this.#settle();
    this.#compare();
  }

  /** In the end everybody is told so, once, and nobody comes any more. */
  async shutDown(): Promise<void> {
    this.#model.shutDown();
    for (let n = 0; n < 2; n++) this.#setting.hub.shutDown();
    for (const { reader } of this.#pairs) reader.sink.read();
    await this.play([{ do: "wait", ms: 1000 }]);
    expect(refusalOf(() => this.#setting.join("s-0", "u-0"))).toBe("SHUTTING_DOWN");
    for (const { model } of this.#pairs) this.#count(`ended ${model.ended}`);
    const ends = [...this.reached].filter(([name]) => name.startsWith("ended "));
    const counted = ends.map(([name]) => this.#setting.counted.get(name.replace("ended", "sallyport_streams_ended_total")));
    expect(counted).toEqual(ends.map(([, count]) => count));
  }

  /** What waits in outboxes is written in microtasks. */
  async #settle(): Promise<void> {
    for (let n = 0; n < 8; n++) await Promise.resolve();
    this.#model.settle();
  }

  #act(step: Step): void {
    const { hub, revocations } = this.#setting;
    switch (step.do) {
      case "register":
        this.#register(step);
        return;
      case "look up":
        this.#lookUps.set(step.session, this.#model.mark);
        return;
      case "publish":
        for (const size of step.sizes) this.#publish(step.to, size);
        return;
      case "revoke":
        for (const whom of step.whom) {
          revocations.append(whom);
          expect(hub.revoke(whom)).toBe(this.#model.revoke(whom));
        }
        return;
      case "gap":
        revocations.append({});
        hub.gap();
        this.#model.gap();
        return;
      case "lose":
        hub.resyncAudience({ userId: "", deviceSessionId: "", ...whomOf(step.to) });
        this.#model.lose(step.to);
        return;
      case "wait":
        this.#setting.pass(step.ms);
        this.#model.wait(step.ms);
        return;
      default:
        this.#ofClient(step);
    }
  }

  #publish(to: Extract<Step, { do: "publish" }>["to"], size: number): void {
    const n = this.#model.publish(to, size);
    // One of three comes without an id.
    const eventId = n % 3 === 0 ? "" : `e-${n}`;
    this.#setting.hub.publish(event({ ...whomOf(to), eventId, payloadBytes: payloadOf(n, size) }));
  }

  #register({ session, codec, client, wasLookedUp, resume, pick, luck }: Register): void {
    const mark = (wasLookedUp ? this.#lookUps.get(session) : undefined) ?? this.#model.mark;
    this.#lookUps.delete(session);
    const from = this.#resumeFrom(session, resume, pick);
    const expected = this.#model.register({ session, codec, client, mark, luck, resumeAfter: from?.message });
    const sink = new FakeSink(codec);
    sink.stuck = client === "slow";
    if (client === "gone") sink.leave();
    this.#luck = luck;
    const admission = { mark, resumeAfter: from?.id };
    const outcome = refusalOf(() => this.#setting.join(session, userOf(session), sink, admission));
    if (typeof expected === "string") {
      expect([outcome, sink.frames, sink.ends]).toEqual([expected, [], []]);
      this.#count(expected);
      return;
    }
    expect(outcome).toBe("admitted");
    this.#pairs.push({ model: expected, reader: new ToldReader(sink) });
    if (from !== undefined) this.#count(`resume ${expected.told[0]?.text.includes("resumed") ? "whole" : "resync"}`);
  }

  /** After which message, in the model and by its id. */
  #resumeFrom(session: Session, resume: Register["resume"], pick: number) {
    if (resume === "no") return undefined;
    if (resume === "unheard") return { message: "unheard" as const, id: "unheard of" };
    const streams = this.#pairs.filter(({ model }) => resume === "anybody's" || model.session === session);
    const pair = resume === "last" ? streams.at(-1) : pickOf(streams, pick);
    const at = resume === "last" ? (pair?.model.told.length ?? 0) - 1 : pick % (pair?.model.told.length || 1);
    const [message, id] = [pair?.model.told[at], pair?.reader.ids[at]];
    return message && id ? { message, id } : undefined;
  }

  #ofClient({ do: does, pick }: OfClient): void {
    const open = this.#pairs.filter(({ model }) => model.ended === undefined);
    const pair = pickOf(open, pick);
    if (pair === undefined) return;
    const { model, reader } = pair;
    if (does === "leave") {
      reader.sink.leave();
      model.end("client");
    } else if (does === "slow down") {
      reader.sink.stuck = true;
      model.isSlow = true;
    } else {
      if (does === "take") reader.sink.take();
      else reader.sink.read();
      model.isSlow &&= does === "take";
      model.take();
    }
  }

  #compare(): void {
    for (const [stream, { model, reader }] of this.#pairs.entries()) {
      const from = reader.ids.length;
      const actual = { told: reader.fresh(), ends: reader.sink.ends.join() };
      const isSaid = model.ended !== undefined && model.ended !== "client";
      const expected = { told: model.told.slice(from).map(({ text }) => text), ends: isSaid ? model.ended : "" };
      if (!Bun.deepEquals(actual, expected))
        expect<unknown>({ stream, from, ...actual }).toEqual({ stream, from, ...expected });
    }
    expect(this.#setting.streams()).toBe(this.#model.open.length);
  }

  #count(name: string): void {
    this.reached.set(name, (this.reached.get(name) ?? 0) + 1);
  }
}

function whomOf(audience: Audience): { readonly userId: string } | { readonly deviceSessionId: string } {
  const id = audience.slice(audience.indexOf(":") + 1);
  return audience.startsWith("user:") ? { userId: id } : { deviceSessionId: id };
}

function pickOf<T>(from: readonly T[], pick: number): T | undefined {
  return from[pick % from.length];
}

/** What a run of the test comes to, sooner or later. */
const EVERYTHING = [
  "SESSION_LOOKUP_UNAVAILABLE",
  "SESSION_REVOKED",
  "TOO_MANY_STREAMS session",
  "TOO_MANY_STREAMS user",
  "ended SESSION_REVOKED",
  "ended SHUTTING_DOWN",
  "ended SLOW_CONSUMER",
  "ended STREAM_EXPIRED",
  "ended client",
  "resume resync",
  "resume whole",
];

test("whatever happens in whatever order, each stream is told what the model says, and ends when and as it says", async () => {
  const reached = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const run = new Run();
      await run.play(sequence);
      await run.shutDown();
      for (const [name, count] of run.reached) reached.set(name, (reached.get(name) ?? 0) + count);
    }),
    { numRuns: 300 },
  );
  expect([...reached.keys()].sort()).toEqual(EVERYTHING);
}, 30_000);
