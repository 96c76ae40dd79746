import { expect } from "bun:test";
import type { ClientAudience, ClientEvent } from "../../../../src/core/events.ts";
import type { Admission } from "../../../../src/hub/admission.ts";
import type { Poll } from "../../../../src/hub/event-collector.ts";
import type { Hub } from "../../../../src/hub/hub.ts";
import { SimulatedWorker } from "../../workers/support/simulated-worker.ts";
import { FakeSink } from "./fake-sink.ts";
import { collect, createHub, event, localStreams, refusalOf, shutDown } from "./hub-fixture.ts";
import { HubModel } from "./hub-model.ts";
import type { ClientStep, RegisterStep, Step } from "./hub-steps.ts";
import { MessageReader, payloadOf } from "./message-reader.ts";
import {
  type Audience,
  BOUNDS,
  LARGE_BYTES,
  ModelPoll,
  type ModelStream,
  type RevocationTarget,
  type Session,
  userOf,
} from "./model-stream.ts";

/** Enough microtasks for the hub to write everything that it can from its outboxes. */
const MICROTASKS = 8;

const OUTBOX = { bytesMax: BOUNDS.outbox.large * LARGE_BYTES, messagesMax: BOUNDS.outbox.messages };

/** A stream of the model, and the same stream of the hub. */
interface Pair {
  readonly model: ModelStream;
  /** Of a poll: reads the answer, which is written to the sink when the poll is answered. */
  readonly reader: MessageReader;
  readonly poll?: Poll | undefined;
}

/** The way of an event from a backend to the hub, if it is not a call of the hub. */
export interface ModelFeed {
  /** Resolves when the hub has the event. */
  publish(event: ClientEvent): Promise<void>;
  /** Resolves when the hub knows that an event for the audience is lost. */
  lose(audience: ClientAudience): Promise<void>;
  close(): Promise<void>;
}

/** Plays one sequence of steps on the hub and on its model. */
export class ModelRun {
  /** How often each outcome occurred, by name. */
  readonly outcomes = new Map<string, number>();
  readonly #model = new HubModel();
  readonly #pairs: Pair[] = [];
  /** The mark of the latest look-up of a session. */
  readonly #lookUps = new Map<Session, number>();
  #ageFraction = 0;
  readonly #fixture = createHub({
    random: () => this.#ageFraction,
    streams: {
      perSessionMax: BOUNDS.streams.perSession,
      perUserMax: BOUNDS.streams.perUser,
      perNetworkMax: 100,
      totalMax: 100,
    },
    outbox: OUTBOX,
    history: {
      eventsMax: BOUNDS.history.events,
      bytesMax: BOUNDS.history.large * LARGE_BYTES,
      totalBytesMax: BOUNDS.history.totalLarge * LARGE_BYTES,
      ageMs: BOUNDS.history.ageMs,
    },
    streamAgeMs: BOUNDS.streamAgeMs,
  });

  readonly #workers: readonly SimulatedWorker[];
  #feed: ModelFeed | undefined;

  /** `workers`: number of simulated workers that hold the streams. With 0, the hub's own process holds them. */
  constructor(workers = 0) {
    const { clock } = this.#fixture;
    const hub = localStreams(this.#fixture);
    this.#workers = Array.from({ length: workers }, () => new SimulatedWorker({ hub, outbox: OUTBOX, clock }));
  }

  /** From now on, events reach the hub by a feed. */
  async useFeed(open: (hub: Hub) => Promise<ModelFeed>): Promise<void> {
    this.#feed = await open(this.#fixture.hub);
  }

  async close(): Promise<void> {
    await this.#feed?.close();
  }

  async play(sequence: readonly Step[]): Promise<void> {
    for (const step of sequence) {
      const performed = this.#perform(step);
      // Awaiting `undefined` would let microtasks run.
      if (performed !== undefined) await performed;
      for (const worker of this.#workers) await worker.deliverAll();
      // A feed and workers are asynchronous, so the hub has written everything before the next event.
      const isInProcess = this.#feed === undefined && this.#workers.length === 0;
      const isSynchronous = "isSynchronous" in step && step.isSynchronous && isInProcess;
      if (!isSynchronous) await this.#settle();
      this.#compare();
    }
    await this.#settle();
    this.#compare();
  }

  /** Shuts the hub down: every open stream ends once, and new ones are refused. */
  async shutDown(): Promise<void> {
    this.#model.shutDown();
    for (let n = 0; n < 2; n++) shutDown(this.#fixture.hub);
    for (const worker of this.#workers) await worker.deliverAll();
    for (const { reader } of this.#pairs) reader.sink.unblock();
    for (const pair of this.#pairs) if (pair.model.isAtClient) this.#answer(pair);
    await this.play([{ do: "wait", ms: 1000 }]);
    expect(refusalOf(() => this.#fixture.subscribe("s-0", "u-0"))).toBe("SHUTTING_DOWN");
    for (const { model, poll } of this.#pairs) this.#count(`${poll ? "poll" : "ended"} ${model.ended}`);
    const ends = [...this.outcomes].filter(([name]) => name.startsWith("ended "));
    const counted = ends.map(([name]) => this.#fixture.counters.get(name.replace("ended", "sallyport_streams_ended_total")));
    expect(counted).toEqual(ends.map(([, count]) => count));
  }

  /** The hub writes from outboxes in microtasks. */
  async #settle(): Promise<void> {
    for (let n = 0; n < MICROTASKS; n++) await Promise.resolve();
    this.#model.settle();
  }

  #perform(step: Step): Promise<void> | undefined {
    const { hub, revocations } = this.#fixture;
    switch (step.do) {
      case "register":
        return this.#register(step);
      case "look up":
        this.#lookUps.set(step.session, this.#model.mark);
        return undefined;
      case "publish":
        return this.#publishAll(step.to, step.sizes);
      case "revoke":
        for (const target of step.targets) this.#revoke(target);
        return undefined;
      case "gap":
        revocations.append({});
        hub.gap();
        this.#model.gap();
        return undefined;
      case "lose event":
        this.#model.loseEvent(step.to);
        if (this.#feed !== undefined) return this.#feed.lose({ userId: "", deviceSessionId: "", ...idOf(step.to) });
        hub.resyncAudience({ userId: "", deviceSessionId: "", ...idOf(step.to) });
        return undefined;
      case "wait":
        this.#fixture.advance(step.ms);
        this.#model.wait(step.ms);
        return undefined;
      default:
        this.#performByClient(step);
        return undefined;
    }
  }

  #publishAll(to: Audience, sizes: readonly number[]): Promise<void> | undefined {
    if (this.#feed !== undefined) return this.#publishByFeed(to, sizes);
    for (const size of sizes) this.#publish(to, size);
    return undefined;
  }

  async #publishByFeed(to: Audience, sizes: readonly number[]): Promise<void> {
    for (const size of sizes) {
      await this.#publish(to, size);
      await this.#settle();
    }
  }

  #publish(to: Audience, size: number): Promise<void> | undefined {
    const n = this.#model.publish(to, size);
    // Every third event has no id, so the hub creates one. By a feed, this id names a cursor, which the model does not know.
    const eventId = n % 3 === 0 && this.#feed === undefined ? "" : `e-${n}`;
    const published = event({ ...idOf(to), eventId, payloadBytes: payloadOf(n, size) });
    if (this.#feed !== undefined) return this.#feed.publish(published);
    this.#fixture.hub.publish(published);
    return undefined;
  }

  #revoke(target: RevocationTarget): void {
    this.#fixture.revocations.append(target);
    expect(this.#fixture.hub.revoke(target)).toBe(this.#model.revoke(target));
  }

  async #register(step: RegisterStep): Promise<void> {
    const { session, usesEarlierLookUp, resume, choice, ageFraction } = step;
    const mark = (usesEarlierLookUp ? this.#lookUps.get(session) : undefined) ?? this.#model.mark;
    this.#lookUps.delete(session);
    const from = this.#resumeFrom(session, resume, choice);
    const expected = this.#model.register({ ...step, mark, resumeAfter: from?.message });
    this.#ageFraction = ageFraction;
    const { outcome, sink, poll } = await this.#open(step, { mark, resumeAfter: from?.id });
    if (typeof expected === "string") {
      expect([outcome, sink.frames, sink.ends]).toEqual([expected, [], []]);
      this.#count(expected);
      return;
    }
    expect(outcome).toBe("admitted");
    this.#pairs.push({ model: expected, reader: new MessageReader(sink), poll });
    if (from !== undefined && poll === undefined)
      this.#count(`resume ${expected.written[0]?.text.includes("resumed") ? "whole" : "resync"}`);
  }

  /** Opens a stream or a poll. */
  async #open({ session, codec, client, eventsMax }: RegisterStep, admission: Pick<Admission, "mark" | "resumeAfter">) {
    const sink = new FakeSink(codec);
    sink.isBlocked = client === "slow";
    if (client === "disconnected") sink.disconnect();
    let poll: Poll | undefined;
    if (client !== "poll" && this.#workers.length > 0)
      return { outcome: await this.#openAtWorker(session, admission, sink), sink, poll };
    const outcome = refusalOf(() => {
      const collector = collect({ codec, eventsMax, bytesMax: BOUNDS.poll.large * LARGE_BYTES });
      if (client === "poll") poll = this.#fixture.poll(session, userOf(session), collector, admission);
      else this.#fixture.subscribe(session, userOf(session), sink, admission);
    });
    return { outcome, sink, poll };
  }

  /** Opens a stream at one of the workers, in turn. Returns the outcome, as `refusalOf` does. */
  async #openAtWorker(session: Session, more: Pick<Admission, "mark" | "resumeAfter">, sink: FakeSink): Promise<string> {
    const worker = this.#workers[this.#pairs.length % this.#workers.length];
    const admission = this.#fixture.admissionOf(session, userOf(session), more);
    const registered = worker?.streams.register(admission, sink);
    // The refusal is also awaited below. Without a handler, it would be an unhandled rejection until then.
    registered?.catch(() => {});
    await worker?.deliverAll();
    try {
      await registered;
      return "admitted";
    } catch (refusal) {
      return refusalOf(() => {
        throw refusal;
      });
    }
  }

  /** The message to resume after, in the model, and its event id. */
  #resumeFrom(session: Session, resume: RegisterStep["resume"], choice: number) {
    if (resume === "none") return undefined;
    if (resume === "unknown") return { message: "unknown" as const, id: "unknown id" };
    const streams = this.#pairs.filter(({ model }) => resume === "any" || model.session === session);
    const pair = resume === "last" ? streams.at(-1) : chooseFrom(streams, choice);
    const at = resume === "last" ? (pair?.model.written.length ?? 0) - 1 : choice % (pair?.model.written.length || 1);
    const [message, id] = [pair?.model.written[at], pair?.reader.ids[at]];
    return message && id ? { message, id } : undefined;
  }

  #performByClient({ do: action, choice }: ClientStep): void {
    const open = this.#pairs.filter(({ model }) => model.isAtClient);
    const pair = chooseFrom(open, choice);
    if (pair === undefined) return;
    const { model, reader, poll } = pair;
    if (action === "disconnect") {
      if (poll === undefined) reader.sink.disconnect();
      else poll.collector.cancel();
      model.end("client");
    } else if (poll !== undefined) {
      this.#answer(pair);
    } else if (action === "stop reading") {
      reader.sink.isBlocked = true;
      model.isBlocked = true;
    } else {
      if (action === "read once") reader.sink.readOnce();
      else reader.sink.unblock();
      model.isBlocked &&= action === "read once";
      model.readOnce();
    }
  }

  /** Answers a poll. The answer, or the reason of its refusal, must be the same as in the model. */
  #answer({ model, reader, poll }: Pair): void {
    if (poll === undefined || !(model instanceof ModelPoll)) return;
    const outcome = refusalOf(() => reader.sink.frames.push(...this.#fixture.hub.answer(poll)));
    expect(outcome).toBe(this.#model.answer(model) ?? "admitted");
  }

  #compare(): void {
    for (const [stream, { model, reader }] of this.#pairs.entries()) {
      const from = reader.ids.length;
      const actual = { messages: reader.readNew(), ends: reader.sink.ends.join() };
      const hasReason = model.ended !== undefined && model.ended !== "client" && !(model instanceof ModelPoll);
      const expected = { messages: model.written.slice(from).map(({ text }) => text), ends: hasReason ? model.ended : "" };
      if (!Bun.deepEquals(actual, expected))
        expect<unknown>({ stream, from, ...actual }).toEqual({ stream, from, ...expected });
    }
    expect(this.#fixture.streams()).toBe(this.#model.open.length);
  }

  #count(name: string): void {
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
  }
}

function idOf(audience: Audience): { readonly userId: string } | { readonly deviceSessionId: string } {
  const id = audience.slice(audience.indexOf(":") + 1);
  return audience.startsWith("user:") ? { userId: id } : { deviceSessionId: id };
}

function chooseFrom<T>(from: readonly T[], choice: number): T | undefined {
  return from[choice % from.length];
}

/** A random 32-bit seed, or the one to replay. */
export function seedOf(text: string | undefined): number {
  if (text === undefined) return new Int32Array(crypto.getRandomValues(new Uint8Array(4)).buffer)[0] ?? 0;
  const seed = Number(text);
  if (text === "" || !Number.isInteger(seed)) throw new Error(`MODEL_SEED must be an integer, not "${text}"`);
  return seed;
}
