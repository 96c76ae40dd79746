import { expect, test } from "bun:test";
import fc from "fast-check";
import { WRITE_AHEAD_BYTES } from "../../../src/hub/outbox.ts";
import { FakeSink } from "./support/fake-sink.ts";
import { event, setUp } from "./support/setting.ts";

/**
 * The hub against what its clients are promised, over random interleavings of everything that can happen: order, no loss without a
 * resync, nothing twice, nothing of anybody else's, and every stream ended exactly once.
 */

const USERS = ["u-0", "u-1"] as const;
/** Session s-n is of user u-(n mod 2). */
const SESSIONS = ["s-0", "s-1", "s-2", "s-3"] as const;

interface Published {
  readonly n: number;
  readonly audience: string;
}

/** One stream of a client: what has been read of it, of all that was written. */
class Stream {
  readonly sink = new FakeSink();
  #read = 0;

  /** So many of the events that the client has not seen yet. */
  take(max: number): FakeSink["events"] {
    const fresh = this.sink.events.slice(this.#read, this.#read + max);
    this.#read += fresh.length;
    return fresh;
  }
}

/** A device that always wants one stream, and remembers what it was told. */
class Client {
  readonly story: (number | "resync")[] = [];
  lastId: string | undefined;
  stream: Stream | undefined;
  readonly streams: Stream[] = [];

  readonly sessionId: string;
  readonly userId: string;
  /** From which event on it is to be told of all; a client that has nothing to resume from begins anew. */
  since = Number.POSITIVE_INFINITY;

  constructor(sessionId: string, userId: string) {
    this.sessionId = sessionId;
    this.userId = userId;
  }

  /** Takes in what has arrived, or the first of it, and remembers the id of the last. */
  read(max = Number.POSITIVE_INFINITY): void {
    for (const { envelope, payloadBytes } of this.stream?.take(max) ?? []) {
      this.lastId = envelope?.eventId;
      if (envelope?.eventType === "gateway.resync") this.story.push("resync");
      if (envelope?.eventType === "chat.message") this.story.push(JSON.parse(new TextDecoder().decode(payloadBytes)).n);
    }
  }
}

type Setting = ReturnType<typeof setUp>;

class Run {
  readonly clients = SESSIONS.map((id, n) => new Client(id, USERS[n % 2] ?? ""));
  readonly published: Published[] = [];
  readonly #setting: Setting;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  client(n: number): Client {
    return this.clients[n] ?? expect.unreachable();
  }

  publish(toSession: boolean, who: number, payloadBytes: number): void {
    this.#setting.hub.publish(this.#next(toSession, who, payloadBytes));
  }

  /** The backend has sent an event that never arrived. */
  lose(toSession: boolean, who: number): void {
    this.#next(toSession, who, 0);
    this.#setting.hub.gap();
  }

  #next(toSession: boolean, who: number, payloadBytes: number) {
    const n = this.published.length;
    const [userId, deviceSessionId] = toSession ? ["", SESSIONS[who] ?? ""] : [USERS[who % 2] ?? "", ""];
    this.published.push({ n, audience: deviceSessionId || userId });
    const text = JSON.stringify({ n, filler: "x".repeat(payloadBytes) });
    return event({ userId, deviceSessionId, eventId: `e-${n}`, payloadBytes: new TextEncoder().encode(text) });
  }

  /** The client leaves what it has, unread bytes and all, and comes back where it was. */
  connect(client: Client): void {
    this.disconnect(client);
    if (client.lastId === undefined) client.since = this.published.length;
    const stream = new Stream();
    client.stream = stream;
    client.streams.push(stream);
    this.#setting.join(client.sessionId, client.userId, stream.sink, { resumeAfter: client.lastId });
  }

  disconnect(client: Client): void {
    client.stream?.sink.leave();
    client.stream = undefined;
  }

  async read(client: Client): Promise<void> {
    const sink = client.stream?.sink;
    sink?.read();
    await settle();
    client.read();
  }

  stick(client: Client): void {
    if (client.stream === undefined) return;
    client.read();
    client.stream.sink.stuck = true;
  }
}

/** What waits in outboxes is written in microtasks. */
async function settle(): Promise<void> {
  for (let n = 0; n < 50; n++) await Promise.resolve();
}

interface Step {
  readonly name: string;
  readonly act: (run: Run, setting: Setting) => unknown;
}

const who = fc.nat({ max: SESSIONS.length - 1 });
/** Small ones; some that fill what is written ahead; few that are too large for the history. */
const payloadBytes = fc.constantFrom(0, 0, 0, WRITE_AHEAD_BYTES, WRITE_AHEAD_BYTES, 5 * WRITE_AHEAD_BYTES);

function step(name: string, act: (run: Run, client: Client, setting: Setting) => unknown): fc.Arbitrary<Step> {
  return who.map((n) => ({ name: `${name} ${n}`, act: (run, setting) => act(run, run.client(n), setting) }));
}

const publish: fc.Arbitrary<Step> = fc.tuple(fc.boolean(), who, payloadBytes).map(([toSession, n, bytes]) => ({
  name: `publish ${toSession} ${n} ${bytes}`,
  act: (run) => run.publish(toSession, n, bytes),
}));
const lose: fc.Arbitrary<Step> = fc.tuple(fc.boolean(), who).map(([toSession, n]) => ({
  name: `lose ${toSession} ${n}`,
  act: (run) => run.lose(toSession, n),
}));

const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: publish },
    { weight: 1, arbitrary: lose },
    { weight: 6, arbitrary: step("connect", (run, client) => run.connect(client)) },
    { weight: 2, arbitrary: step("disconnect", (run, client) => run.disconnect(client)) },
    { weight: 5, arbitrary: step("read", (run, client) => run.read(client)) },
    { weight: 3, arbitrary: step("read one", (_, client) => client.read(1)) },
    { weight: 2, arbitrary: step("stick", (run, client) => run.stick(client)) },
    { weight: 1, arbitrary: step("revoke session", (_, { sessionId }, { hub }) => hub.revoke({ deviceSessionId: sessionId })) },
    { weight: 1, arbitrary: step("revoke user", (_, { userId }, { hub }) => hub.revoke({ userId })) },
    { weight: 1, arbitrary: step("pass", (_, { sessionId }, { pass }) => pass(sessionId === "s-0" ? 30_000 : 1000)) },
  ),
  { minLength: 1, maxLength: 80, size: "max" },
);

/** What the client was told, where it breaks a promise. */
function brokenPromises(client: Client, published: readonly Published[]): string[] {
  const concern = published.filter(({ audience }) => audience === client.sessionId || audience === client.userId);
  const due = concern.filter(({ n }) => n >= client.since).map(({ n }) => n);
  const broken: string[] = [];
  let [last, mayMiss] = [-1, false];
  for (const told of [...client.story, Number.POSITIVE_INFINITY] as const) {
    if (told === "resync") {
      mayMiss = true;
      continue;
    }
    const isEnd = told === Number.POSITIVE_INFINITY;
    if (!isEnd && !due.includes(told)) broken.push(`told ${told}, which is not for it`);
    if (told <= last) broken.push(`told ${told} after ${last}`);
    const missed = due.filter((n) => n > last && n < told);
    if (missed.length > 0 && !mayMiss) broken.push(`never told ${missed} before ${told}`);
    [last, mayMiss] = [told, false];
  }
  return broken;
}

async function play(sequence: readonly Step[]): Promise<string[]> {
  const setting = setUp({
    outbox: { bytesMax: 3 * WRITE_AHEAD_BYTES, messagesMax: 12 },
    history: { eventsMax: 6, bytesMax: 4 * WRITE_AHEAD_BYTES, totalBytesMax: 8 * WRITE_AHEAD_BYTES, ageMs: 60_000 },
    streamAgeMs: 120_000,
  });
  const run = new Run(setting);
  for (const { act } of sequence) await act(run, setting);
  // In the end everybody reads what it has, comes back, and reads again.
  for (const client of run.clients) await run.read(client);
  for (const client of run.clients) run.connect(client);
  for (const client of run.clients) await run.read(client);
  setting.hub.shutDown();
  const streams = run.clients.flatMap((client) => client.streams);
  const ended = [...setting.counted].filter(([name]) => name.startsWith("sallyport_streams_ended_total "));
  return [
    ...run.clients.flatMap((client) => brokenPromises(client, run.published)),
    ...streams.filter(({ sink }) => sink.ends.length > 1).map(() => "ended twice"),
    ...streams.filter(({ sink }) => sink.writesAfterEnd > 0).map(() => "written to after its end"),
    ...(ended.reduce((sum, [, count]) => sum + count, 0) === streams.length ? [] : ["not every stream ended once"]),
    ...(setting.streams() === 0 ? [] : ["a stream stayed behind"]),
  ];
}

test("whatever happens in whatever order, clients are told everything once and in order, or told that they were not", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      expect(await play(sequence)).toEqual([]);
    }),
    { numRuns: 600 },
  );
}, 30_000);
