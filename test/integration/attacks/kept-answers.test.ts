import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ANSWER_SHARES } from "../../../src/core/limits.ts";
import { BRIEF_MS, COUNT, type KeepingGateways, openKeeping, type StoreKind } from "../../support/keeping-gateways.ts";
import { type KeyedCommand, type SignedCommand, send, signKeyed } from "../../support/keyed-commands.ts";
import { NO_REDIS } from "../../support/redis.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, metric } from "../../support/world.ts";

/** Attacks on kept answers, and on the promise that a command is executed once. */

const [CONNECT = expect.unreachable()] = VARIANTS;
const WINDOW_MS = 4000;
const KINDS: readonly (readonly [StoreKind, string | undefined])[] = [
  ["memory", undefined],
  ["Redis", NO_REDIS],
];

for (const [kind, missing] of KINDS) {
  describe.skipIf(missing !== undefined)(missing ?? `answers kept in ${kind}`, () => {
    let keeping: KeepingGateways;
    let keys = 0;
    beforeAll(async () => {
      keeping = await openKeeping(kind, {
        "freshness.window_ms": WINDOW_MS,
        "freshness.margin_ms": 1000,
        "answers.entries_max": 4 * ANSWER_SHARES,
      });
    });
    afterAll(() => keeping.close());

    const newKey = () => `key-${String(keys++).padStart(8, "0")}`;
    const deliver = (request: SignedCommand, gateway = 0) => send(keeping.transport(CONNECT, gateway), request);
    const sign = (device: Device, command: Partial<KeyedCommand>) => signKeyed(device, { messageType: COUNT, ...command });
    const executionsOf = (key: string) => keeping.executed.filter((headers) => headers.get("idempotency-key") === key).length;

    test("key reused for another payload or message type, in flight and afterwards, at every gateway", async () => {
      const device = await keeping.world.login();
      const idempotencyKey = newKey();
      const release = Promise.withResolvers<void>();
      keeping.answer(async () => {
        await release.promise;
        return Response.json({});
      });
      const others = [{ payload: '{"amount":2}' }, { payload: "" }, { payload: '{"amount":1}', messageType: "test.other" }];
      const reuse = async () => {
        for (const gateway of keeping.gateways.keys()) {
          for (const other of others) {
            const { text, replayed } = await deliver(await sign(device, { idempotencyKey, ...other }), gateway);
            expect([text, replayed]).toEqual(["IDEMPOTENCY_KEY_REUSED", null]);
          }
        }
      };
      const first = deliver(await sign(device, { idempotencyKey, payload: '{"amount":1}' }));
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      await reuse();
      release.resolve();
      await first;
      await reuse();
      expect(executionsOf(idempotencyKey)).toBe(1);
    });

    test("answer asked for by another session of another user, or of the same user", async () => {
      const email = `shared-${kind}@example.com`;
      const victim = await keeping.world.login(email);
      const idempotencyKey = newKey();
      keeping.answer((_, { headers }) => Response.json({ secret_of: headers.get("x-device-session-id") }));
      expect((await deliver(await sign(victim, { idempotencyKey }))).text).toContain(victim.deviceSessionId);
      for (const thief of [await keeping.world.login(), await keeping.world.login(email)]) {
        for (const gateway of keeping.gateways.keys()) {
          const { text } = await deliver(await sign(thief, { idempotencyKey }), gateway);
          expect(text).toBe(`ok {"secret_of":"${thief.deviceSessionId}"}`);
        }
      }
      expect(executionsOf(idempotencyKey)).toBe(3);
    });

    test("answer asked for with the envelope of another session, or with a forged signature", async () => {
      const [victim, thief] = [await keeping.world.login(), await keeping.world.login()];
      const idempotencyKey = newKey();
      await deliver(await sign(victim, { idempotencyKey }));
      const own = await sign(thief, { idempotencyKey });
      const stolen = { ...own, envelope: { ...own.envelope, deviceSessionId: victim.deviceSessionId } };
      expect((await deliver(stolen)).text).toBe("SIGNATURE_INVALID");
      const other = await sign(victim, { idempotencyKey: newKey() });
      const swapped = { ...other, envelope: { ...other.envelope, idempotencyKey } };
      expect((await deliver(swapped)).text).toBe("SIGNATURE_INVALID");
      const stripped = { ...other, envelope: { ...other.envelope, idempotencyKey: "" } };
      expect((await deliver(stripped)).text).toBe("SIGNATURE_INVALID");
    });

    test("revoked session asks for its kept answer, or waits for one", async () => {
      const device = await keeping.world.login();
      const [kept, waiting] = [newKey(), newKey()];
      keeping.answer(() => Response.json({}));
      await deliver(await sign(device, { idempotencyKey: kept }));
      const release = Promise.withResolvers<void>();
      keeping.answer(async () => {
        await release.promise;
        return Response.json({ late: true });
      });
      const first = deliver(await sign(device, { idempotencyKey: waiting }));
      await until(() => executionsOf(waiting) === 1, "the first to be executed");
      const waiters = [];
      for (const gateway of keeping.gateways.keys()) {
        waiters.push(deliver(await sign(device, { idempotencyKey: waiting }), gateway));
      }
      await keeping.world.revoke({ device_session_id: device.deviceSessionId });
      for (const gateway of keeping.gateways) {
        const seen = () => metric(gateway, "sallyport_events_total", '{kind="session_invalidation"}');
        await until(async () => (await seen()) > 0, "the revocation to arrive");
      }
      release.resolve();
      // The first was sent before the revocation, so its answer is passed on.
      expect((await first).text).toBe('ok {"late":true}');
      for (const waiter of waiters) expect((await waiter).text).toBe("SESSION_REVOKED");
      for (const gateway of keeping.gateways.keys()) {
        expect((await deliver(await sign(device, { idempotencyKey: kept }), gateway)).text).toBe("SESSION_REVOKED");
      }
      expect([executionsOf(kept), executionsOf(waiting)]).toEqual([1, 1]);
    });

    test("the same signed request again is REQUEST_REPLAYED, and shows no kept answer", async () => {
      const device = await keeping.world.login();
      keeping.answer(() => Response.json({ secret: true }));
      const request = await sign(device, { idempotencyKey: newKey() });
      expect((await deliver(request)).text).toStartWith("ok ");
      for (const gateway of keeping.gateways.keys()) {
        expect(await deliver(request, gateway)).toEqual({ text: "REQUEST_REPLAYED", replayed: null });
      }
    });

    test("held-back signed copy, delivered after the answer's time, is not executed again", async () => {
      const device = await keeping.world.login();
      keeping.answer((at) => Response.json({ execution: at }));
      const idempotencyKey = newKey();
      const command = { messageType: "test.brief", idempotencyKey };
      const first = await deliver(await sign(device, command));
      const heldBack = await sign(device, command);
      const answeredMs = Date.now();
      await until(() => Date.now() > answeredMs + BRIEF_MS + 200, "the time of the answer to end");
      for (const gateway of keeping.gateways.keys()) {
        expect(await deliver(await sign(device, { ...command, timestampMs: answeredMs }), gateway)).toMatchObject({
          text: first.text,
        });
      }
      expect(await deliver(heldBack)).toEqual({ text: first.text, replayed: "true" });
      expect(executionsOf(idempotencyKey)).toBe(1);
      // A request that was signed after the time of the answer is a new command.
      expect((await deliver(await sign(device, command))).replayed).toBeNull();
      expect(executionsOf(idempotencyKey)).toBe(2);
    });

    test("held-back copy of a device whose clock is ahead", async () => {
      const device = await keeping.world.login();
      keeping.answer((at) => Response.json({ execution: at }));
      const idempotencyKey = newKey();
      const ahead = (ms: number) => sign(device, { messageType: "test.brief", idempotencyKey, timestampMs: Date.now() + ms });
      const first = await deliver(await ahead(WINDOW_MS - 1500));
      const heldBack = await ahead(WINDOW_MS - 1500);
      const answeredMs = Date.now();
      await until(() => Date.now() > answeredMs + BRIEF_MS + 200, "the time of the answer to end");
      expect(await deliver(heldBack, 1)).toEqual({ text: first.text, replayed: "true" });
      expect(executionsOf(idempotencyKey)).toBe(1);
    });

    test("flood of keys by one session leaves the answers of others", async () => {
      const [victim, attacker] = [await keeping.world.login(), await keeping.world.login()];
      keeping.answer((at) => Response.json({ execution: at }));
      const idempotencyKey = newKey();
      const { text } = await deliver(await sign(victim, { idempotencyKey }));
      const flood = Array.from({ length: 200 }, () => newKey());
      for (const [at, key] of flood.entries()) await deliver(await sign(attacker, { idempotencyKey: key }), at);
      expect(await deliver(await sign(victim, { idempotencyKey }))).toEqual({ text, replayed: "true" });
      for (const gateway of keeping.gateways) {
        expect(await metric(gateway, "sallyport_answer_entries")).toBeLessThanOrEqual(4 * ANSWER_SHARES);
      }
      const evicted = await Promise.all(keeping.gateways.map((each) => metric(each, "sallyport_answers_evicted_total")));
      expect(evicted.reduce((sum, each) => sum + each)).toBeGreaterThanOrEqual(196);
    });

    test("keys that break the grammar", async () => {
      const device = await keeping.world.login();
      for (const idempotencyKey of ["short", "with space", "k".repeat(129), "key\n12345", "key:12345678", "schlüssel-1"]) {
        expect((await deliver(await sign(device, { idempotencyKey }))).text).toBe("MALFORMED_ENVELOPE");
      }
    });
  });
}
