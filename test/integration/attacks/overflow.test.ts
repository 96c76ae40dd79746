import { describe, expect, test } from "bun:test";
import { type FloodedGateway, type Said, SEND_CODE_PATH, startFloodedGateway } from "../../support/flooded-gateway.ts";
import { until } from "../../support/until.ts";
import type { Device } from "../../support/world.ts";

/**
 * Ten times more keys than the tables hold, from thousands of addresses: nothing is forgotten before its time, no bucket is refilled by
 * eviction, memory is flat, and who is served meanwhile is what proto/README.md says under "Full tables".
 */

const ROUTES = JSON.stringify([
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "user.profile.once", method: "GET", path: "/api/v1/user/profile", budget: { rate: 0.001, burst: 1 } },
]);
/** Room that is not the test's, so small that it is all in memory from early on. */
const ROOM = { "replay.entries_max": "50000", "buckets.entries_max": "50000", "session_cache.entries_max": "20000" };
/** Connections that the proxy keeps open to the gateway. */
const AT_ONCE = 32;
/** What allocators make of the same load may differ by this much … */
const RESIDENT_GROWTH_BYTES_MAX = 20 * 1024 * 1024;
/** … and what is still referred to after a collection by this much: a hundred bytes for each request of a flood's second half. */
const HEAP_GROWTH_BYTES_MAX = 512 * 1024;
const LOOKS = 4;
const LOOK_EVERY_MS = 25;
const TIMEOUT_MS = 60_000;

async function withGateway(
  settings: Parameters<typeof startFloodedGateway>[0],
  run: (gateway: FloodedGateway) => Promise<void>,
): Promise<void> {
  const gateway = await startFloodedGateway({ ...ROOM, routes: ROUTES, ...settings });
  try {
    await run(gateway);
  } finally {
    await gateway.close();
  }
}

/** Every other address is of IPv4, the rest are IPv6 networks. */
function address(n: number): string {
  return n % 2 === 0 ? `198.18.${(n >> 9) & 255}.${(n >> 1) & 255}` : `2001:db8:${(n >> 1).toString(16)}::1`;
}

/** Sends for each number from `first` on, below `end`, many at once. */
async function flood(first: number, end: number, send: (n: number) => Promise<unknown>): Promise<void> {
  let next = first;
  const lane = async () => {
    while (next < end) await send(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

/** A flood, from whose middle to whose end the gateway's memory has to be flat. */
async function floodFlat(
  gateway: FloodedGateway,
  first: number,
  end: number,
  send: (n: number) => Promise<unknown>,
): Promise<void> {
  const middle = (first + end) / 2;
  await flood(first, middle, send);
  const before = await memoryOf(gateway);
  await flood(middle, end, send);
  const after = await memoryOf(gateway);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(HEAP_GROWTH_BYTES_MAX);
  expect(after.residentBytes - before.residentBytes).toBeLessThan(RESIDENT_GROWTH_BYTES_MAX);
}

/** After a collection, at the least of a few looks: there is always a request of the session in use under way. */
async function memoryOf({ process }: FloodedGateway) {
  const least = { residentBytes: Number.POSITIVE_INFINITY, heapBytes: Number.POSITIVE_INFINITY };
  for (let n = 0; n < LOOKS; n++) {
    const { heapSize, extraMemorySize } = await process.ask("heap");
    least.heapBytes = Math.min(least.heapBytes, heapSize + extraMemorySize);
    least.residentBytes = Math.min(least.residentBytes, await process.ask("residentBytes"));
    await Bun.sleep(LOOK_EVERY_MS);
  }
  return least;
}

/** A session in use: one command after the other from where it is, and what became of each. */
async function use(gateway: FloodedGateway, device: Device, from: string, messageType?: string) {
  const outcomes: string[] = [];
  let isOver = false;
  const run = async () => {
    while (!isOver) {
      outcomes.push((await gateway.execute(await gateway.sign(device, messageType), from)).said);
      await Bun.sleep(5);
    }
  };
  const running = run().catch((error) => outcomes.push(String(error)));
  await until(() => outcomes.length > 0, "the session to be in use");
  const stop = async (): Promise<readonly string[]> => {
    isOver = true;
    await running;
    return outcomes;
  };
  return { stop };
}

const count = (outcomes: readonly string[], wanted: string) => outcomes.filter((each) => each === wanted).length;
const some = <T>(list: readonly T[], n: number): T => list[n % list.length] ?? expect.unreachable();

describe("more request ids than the table of reservations holds", () => {
  const ENTRIES_MAX = 800;
  const REQUESTS = 8000;
  const ADDRESSES = 3000;
  const SESSIONS = 5;

  test(
    "what was let in is never let in again; what does not fit is refused, whoever sends it; memory is flat",
    () =>
      withGateway({ "replay.entries_max": String(ENTRIES_MAX) }, async (gateway) => {
        const honest = await use(gateway, await gateway.login("192.0.2.1"), "192.0.2.1");
        const attackers = await Promise.all(Array.from({ length: SESSIONS }, (_, n) => gateway.login(`192.0.2.${10 + n}`)));
        const letIn: object[] = [];
        const first: string[] = [];
        const again: string[] = [];
        const sendAgain = async (n: number, from: string) => again.push((await gateway.execute(some(letIn, n), from)).said);
        await floodFlat(gateway, 0, REQUESTS, async (n) => {
          const request = await gateway.sign(some(attackers, n));
          const { said } = await gateway.execute(request, address(n % ADDRESSES));
          first.push(said);
          if (said === "ok") letIn.push(request);
          if (n % 10 === 9 && letIn.length > 0) await sendAgain(n * 7, address((n + 1) % ADDRESSES));
        });
        await flood(0, letIn.length, (n) => sendAgain(n, address(n)));

        const ofHonest = await honest.stop();
        const full = "REPLAY_STORE_UNAVAILABLE";
        const served = count(ofHonest, "ok");
        expect(served).toBeGreaterThan(0);
        expect(ofHonest).toEqual([...new Array(served).fill("ok"), ...new Array(ofHonest.length - served).fill(full)]);
        expect([count(first, "ok"), count(first, full)]).toEqual([ENTRIES_MAX - served, REQUESTS - ENTRIES_MAX + served]);
        expect(again.length).toBeGreaterThan(letIn.length);
        expect(count(again, "REQUEST_REPLAYED")).toBe(again.length);
        expect([gateway.executed.length, new Set(gateway.executed).size]).toEqual([ENTRIES_MAX, ENTRIES_MAX]);
        expect(await gateway.process.ask("metric", "sallyport_replay_entries")).toBe(ENTRIES_MAX);
        // Who only logs in needs no reservation.
        expect((await gateway.login("192.0.2.2")).userId).not.toBe("");
      }),
    TIMEOUT_MS,
  );
});

describe("more addresses than the tables of buckets hold", () => {
  const ENTRIES_MAX = 500;
  const OF_SESSIONS = 2000;
  const OF_STRANGERS = 6000;
  const TTL_MS = 1000;
  const BURSTS = { ip: 100_000, session: 100_000, user: 100_000, failures: 3, public_auth: 5, send_code: 3 };
  /** So slow that no bucket is full again before the end, and every one has to be kept. */
  const SLOW = Object.entries(BURSTS).flatMap(([name, burst]) => [
    [`budgets.${name}.rate`, "0.001"],
    [`budgets.${name}.burst`, String(burst)],
  ]);
  const SETTINGS = {
    ...Object.fromEntries(SLOW),
    ...{ "buckets.entries_max": String(ENTRIES_MAX), "session_cache.ttl_ms": String(TTL_MS) },
  };
  /** What has no room is told to come back in a second; what is empty, when it has a token. */
  const isWithoutRoom = ({ retryAfter }: Said) => retryAfter === 1;
  const isEmpty = ({ said, retryAfter }: Said) => [said, retryAfter > 900] as const;

  test(
    "what is empty stays empty; sessions in use are served; new addresses and idle sessions are told to come back; memory is flat",
    () =>
      withGateway(SETTINGS, async (gateway) => {
        const [used, idle, spent, attacker] = [
          await gateway.login("192.0.2.1"),
          await gateway.login("192.0.2.2"),
          await gateway.login("192.0.2.3"),
          await gateway.login("192.0.2.4"),
        ];
        const from = async (device: Device, address: string) => gateway.execute(await gateway.sign(device), address);
        const forge = async (n: number) => ({ ...(await gateway.sign(used)), signature: new Uint8Array(64).fill(n) });
        const fail = async (from = "192.0.2.5") => gateway.execute(await forge(1), from);
        const mail = (from: string) => gateway.sendCode("victim@example.com", from);

        expect((await from(idle, "192.0.2.2")).said).toBe("ok");
        const idleSinceMs = performance.now();
        const inUse = await use(gateway, used, "192.0.2.1");
        const limited = await use(gateway, spent, "192.0.2.3", "user.profile.once");
        for (let n = 0; n < BURSTS.failures; n++) expect((await fail()).said).toBe("SIGNATURE_INVALID");
        for (let n = 0; n < BURSTS.send_code; n++) expect((await mail(`192.0.2.${10 + n}`)).said).toBe("ok");
        expect((await fail("192.0.2.8")).said).toBe("SIGNATURE_INVALID");
        // So that this address keeps a bucket of failed public calls, with something left in it.
        expect((await gateway.sendCode("no address", "192.0.2.10")).said).toBe("invalid_request");
        const mails = gateway.faults.calls(SEND_CODE_PATH);

        // Somebody with a session, from everywhere: each address is one bucket more, until there is no room.
        const ofSession: Said[] = [];
        await flood(0, OF_SESSIONS, async (n) => ofSession.push(await from(attacker, address(n))));
        const refusedSession = ofSession.filter(({ said }) => said !== "ok");
        expect(ofSession.length - refusedSession.length).toBeLessThan(ENTRIES_MAX);
        expect(ofSession.length - refusedSession.length).toBeGreaterThan(ENTRIES_MAX / 2);
        expect(refusedSession.every((each) => each.said === "RATE_LIMITED ip" && isWithoutRoom(each))).toBe(true);

        // Strangers from everywhere: mails, no requests at all, and requests in the name of the session that is in use.
        const ofStrangers: Said[] = [];
        await floodFlat(gateway, OF_SESSIONS, OF_SESSIONS + OF_STRANGERS, async (n) => {
          if (n % 3 === 0) ofStrangers.push(await gateway.sendCode(`person-${n}@example.com`, address(n)));
          else ofStrangers.push(await gateway.execute(n % 3 === 1 ? {} : await forge(n), address(n)));
        });
        const limits = ofStrangers.filter(({ said }) => said === "rate_limited" || said === "RATE_LIMITED failures");
        expect(ofStrangers.length - limits.length).toBeLessThan(ENTRIES_MAX);
        expect(ofStrangers.length - limits.length).toBeGreaterThan(ENTRIES_MAX / 4);
        expect(limits.every(isWithoutRoom)).toBe(true);
        expect(await gateway.process.ask("metric", "sallyport_bucket_entries")).toBe(2 * ENTRIES_MAX);

        const served = await inUse.stop();
        expect(count(served, "ok")).toBe(served.length);
        const [once, ...more] = await limited.stop();
        expect([once, count(more, "RATE_LIMITED message_type")]).toEqual(["ok", more.length]);
        expect(isEmpty(await fail())).toEqual(["RATE_LIMITED failures", true]);
        expect(isEmpty(await mail("192.0.2.10"))).toEqual(["rate_limited", true]);
        const ownMails = ofStrangers.filter(({ said }) => said === "ok").length;
        expect(gateway.faults.calls(SEND_CODE_PATH) - mails).toBe(ownMails);

        expect((await from(used, "192.0.2.1")).said).toBe("ok");
        expect(await from(used, "192.0.2.6")).toEqual({ said: "RATE_LIMITED failures", retryAfter: 1 });
        await until(() => performance.now() - idleSinceMs > TTL_MS, "the idle session to be forgotten");
        expect(await from(idle, "192.0.2.2")).toEqual({ said: "RATE_LIMITED failures", retryAfter: 1 });
        // That address has a bucket of failures with something left: check 0 is passed. Check 7 has no room for its requests.
        expect((await from(idle, "192.0.2.8")).said).toBe("RATE_LIMITED ip");
        expect(await gateway.sendCode("new@example.com", "192.0.2.7")).toEqual({ said: "rate_limited", retryAfter: 1 });
      }),
    TIMEOUT_MS,
  );
});
