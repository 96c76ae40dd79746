import fc from "fast-check";
import { type Audience, HUGE, LARGE, SESSIONS, SMALL, USERS } from "./model-stream.ts";

/** Generators of the random steps of the model test. A step's `choice` selects one of the streams or messages that exist at its turn. */

const session = fc.constantFrom(...SESSIONS);
const choice = fc.nat({ max: 999 });
const audience = fc.constantFrom<Audience>(
  ...SESSIONS.map((id) => `session:${id}` as const),
  ...USERS.flatMap((id) => [`user:${id}`, `user:${id}`] as const),
);
const size = fc.oneof(
  { weight: 12, arbitrary: fc.constant(SMALL) },
  { weight: 3, arbitrary: fc.constant(LARGE) },
  { weight: 1, arbitrary: fc.constant(HUGE) },
);

const register = fc.record({
  do: fc.constant("register" as const),
  session,
  codec: fc.constantFrom("proto" as const, "proto" as const, "json" as const),
  client: fc.oneof(
    { weight: 9, arbitrary: fc.constant("fast" as const) },
    { weight: 4, arbitrary: fc.constant("slow" as const) },
    { weight: 1, arbitrary: fc.constant("disconnected" as const) },
    { weight: 9, arbitrary: fc.constant("poll" as const) },
  ),
  /** Maximum number of events of a poll. */
  eventsMax: fc.constantFrom(1, 2, 3, 10),
  /** Use the mark of an earlier look-up of this session, if there is one. */
  usesEarlierLookUp: fc.boolean(),
  /** The message to resume after: none, the last of the session's last stream, any of the session's, any at all, or an unknown id. */
  resume: fc.constantFrom("none", "last", "last", "last", "own", "own", "any", "unknown" as const),
  choice,
  /** None of these values lets a stream expire exactly at a time at which a `wait` ends. */
  ageFraction: fc.constantFrom(0.03, 0.51, 0.97),
});
const publish = fc.record({
  do: fc.constant("publish" as const),
  to: audience,
  sizes: fc.array(size, { minLength: 1, maxLength: 8, size: "max" }),
});
const wait = fc.record({
  do: fc.constant("wait" as const),
  ms: fc.constantFrom(1000, 10_000, 24_000, 25_000, 40_000, 60_000),
});
const target = fc.oneof(fc.record({ deviceSessionId: session }), fc.record({ userId: fc.constantFrom(...USERS) }));
const revoke = fc.record({
  do: fc.constant("revoke" as const),
  targets: fc.array(target, { minLength: 1, maxLength: 4 }),
});
const clientStep = fc.record({
  do: fc.constantFrom("stop reading", "read once", "resume reading", "disconnect" as const),
  choice,
  /** The next step runs before any microtask, so before queued frames are written. */
  isSynchronous: fc.boolean(),
});

const step = fc.oneof(
  { weight: 10, arbitrary: register },
  { weight: 12, arbitrary: publish },
  { weight: 8, arbitrary: clientStep },
  { weight: 4, arbitrary: wait },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("look up" as const), session }) },
  { weight: 2, arbitrary: revoke },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("gap" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose event" as const), to: audience }) },
);

export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
export type ClientStep = typeof clientStep extends fc.Arbitrary<infer T> ? T : never;
export type RegisterStep = Extract<Step, { readonly do: "register" }>;

export const steps = fc.array(step, { minLength: 10, maxLength: 60, size: "max" });
