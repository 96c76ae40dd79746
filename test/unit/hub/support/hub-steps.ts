import fc from "fast-check";
import { type Audience, HUGE, LARGE, SESSIONS, SMALL, USERS } from "./hub-model.ts";

/** Everything that can happen to a hub. Where a step says `pick`, it means one of those that there are by then. */

const session = fc.constantFrom(...SESSIONS);
const pick = fc.nat({ max: 999 });
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
    { weight: 9, arbitrary: fc.constant("quick" as const) },
    { weight: 4, arbitrary: fc.constant("slow" as const) },
    { weight: 1, arbitrary: fc.constant("gone" as const) },
  ),
  /** With an earlier look-up of this session, where there is one. */
  wasLookedUp: fc.boolean(),
  /** After which message: the last that the session was told, any other of its own, or anybody's. */
  resume: fc.constantFrom("no", "last", "last", "last", "own", "own", "anybody's", "unheard" as const),
  pick,
  /** None of these lets a stream end at the very moment at which the clock stops. */
  luck: fc.constantFrom(0.03, 0.51, 0.97),
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
const whom = fc.oneof(fc.record({ deviceSessionId: session }), fc.record({ userId: fc.constantFrom(...USERS) }));
const revoke = fc.record({
  do: fc.constant("revoke" as const),
  whom: fc.array(whom, { minLength: 1, maxLength: 4 }),
});
const ofClient = fc.record({
  do: fc.constantFrom("slow down", "take", "catch up", "leave" as const),
  pick,
  /** The next step comes before anything that waits is written. */
  atOnce: fc.boolean(),
});

const step = fc.oneof(
  { weight: 10, arbitrary: register },
  { weight: 12, arbitrary: publish },
  { weight: 8, arbitrary: ofClient },
  { weight: 4, arbitrary: wait },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("look up" as const), session }) },
  { weight: 2, arbitrary: revoke },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("gap" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), to: audience }) },
);

export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
export type OfClient = typeof ofClient extends fc.Arbitrary<infer T> ? T : never;
export type Register = Extract<Step, { readonly do: "register" }>;

export const steps = fc.array(step, { minLength: 10, maxLength: 60, size: "max" });
