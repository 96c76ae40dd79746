import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { verifyResponse } from "../../src/client/verify.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { COUNT, COUNT_PATH, type KeepingGateways, openKeeping, type StoreKind } from "../support/keeping-gateways.ts";
import { type KeyedCommand, send, signKeyed } from "../support/keyed-commands.ts";
import { NO_REDIS } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { VARIANTS, type Variant } from "../support/variants.ts";
import { type Device, metric } from "../support/world.ts";

/** A command that is signed again under its idempotency key gets the answer of its one execution. */

const [CONNECT = VARIANTS[0] ?? expect.unreachable()] = VARIANTS;
const KINDS: readonly (readonly [StoreKind, string | undefined])[] = [
  ["memory", undefined],
  ["Redis", NO_REDIS],
];

/** Lets the backend answer only after the returned promise is resolved. */
function holdAnswers(keeping: KeepingGateways): PromiseWithResolvers<void> {
  const release = Promise.withResolvers<void>();
  keeping.answer(async (execution) => {
    await release.promise;
    return Response.json({ execution });
  });
  return release;
}

for (const [kind, missing] of KINDS) {
  describe.skipIf(missing !== undefined)(missing ?? `answers kept in ${kind}`, () => {
    let keeping: KeepingGateways;
    let device: Device;
    let keys = 0;
    beforeAll(async () => {
      keeping = await openKeeping(kind);
      device = await keeping.world.login();
    });
    afterAll(() => keeping.close());
    beforeEach(() => keeping.answer((at) => Response.json({ execution: at })));

    const newKey = () => `key-${String(keys++).padStart(8, "0")}`;
    const attempt = async (command: Partial<KeyedCommand>, variant: Variant = CONNECT, gateway = 0) =>
      send(keeping.transport(variant, gateway), await signKeyed(device, { messageType: COUNT, ...command }));
    const executionsOf = (key: string) => keeping.executed.filter((headers) => headers.get("idempotency-key") === key).length;
    /** The number of calls with this key that ended at the client's timeout, at which the client may also cancel them. */
    const timedOut = (key: string) => {
      const lines = keeping.logged().split("\n");
      return lines.filter((line) => line.includes(key) && /"code":"(deadline_exceeded|canceled)"/.test(line)).length;
    };

    test.each(VARIANTS)(
      "$name: a newly signed repeat gets the answer, newly signed and marked, at every gateway",
      async (variant) => {
        const idempotencyKey = newKey();
        const firstAnswer = await attempt({ idempotencyKey, payload: '{"n":1}' }, variant);
        expect(firstAnswer.replayed).toBeNull();
        expect(firstAnswer.text).toStartWith('ok {"execution":');
        for (const gateway of keeping.gateways.keys()) {
          expect(await attempt({ idempotencyKey, payload: '{"n":1}' }, variant, gateway)).toEqual({
            text: firstAnswer.text,
            replayed: "true",
          });
        }
        expect(executionsOf(idempotencyKey)).toBe(1);
      },
    );

    test("the repeat's answer verifies for the repeat and not for the first request", async () => {
      const idempotencyKey = newKey();
      const sign = () => signKeyed(device, { messageType: COUNT, idempotencyKey });
      const [one, two] = [await sign(), await sign()];
      const client = createClient(Gateway, keeping.transport(CONNECT));
      const [first, second] = [await client.executeCommand(one), await client.executeCommand(two)];
      const keys = new GatewayKeys(keeping.world.gateway.edgeUrl);
      expect((await verifyResponse(second, two, keys)).payload).toEqual((await verifyResponse(first, one, keys)).payload);
      expect(verifyResponse(second, one, keys)).rejects.toThrow();
      expect(verifyResponse(first, two, keys)).rejects.toThrow();
      expect(second.envelope?.requestId).toBe(two.envelope.requestId);
    });

    test("a repeat in another protocol and codec gets the same answer", async () => {
      const idempotencyKey = newKey();
      const texts = new Set<string>();
      for (const [at, variant] of VARIANTS.entries()) texts.add((await attempt({ idempotencyKey }, variant, at)).text);
      expect([texts.size, executionsOf(idempotencyKey)]).toEqual([1, 1]);
    });

    test("the backend gets the key; without a key, the request id", async () => {
      const idempotencyKey = newKey();
      await attempt({ idempotencyKey, requestId: "request-11111" });
      await attempt({ requestId: "request-22222" });
      const seen = keeping.executed.slice(-2).map((headers) => [headers.get("idempotency-key"), headers.get("x-request-id")]);
      expect(seen).toEqual([
        [idempotencyKey, "request-11111"],
        ["request-22222", "request-22222"],
      ]);
    });

    test("a business error and an empty answer are kept too", async () => {
      for (const respond of [
        () => Response.json({ code: "sold_out", message: "no seat is left" }, { status: 409 }),
        () => new Response(null, { status: 204 }),
      ]) {
        keeping.answer(respond);
        const idempotencyKey = newKey();
        const answers = [await attempt({ idempotencyKey }), await attempt({ idempotencyKey }, CONNECT, 1)];
        expect(answers[1]?.text).toBe(answers[0]?.text ?? "");
        expect([answers[1]?.replayed, executionsOf(idempotencyKey)]).toEqual(["true", 1]);
      }
    });

    test("a large answer outside of ASCII is kept unchanged", async () => {
      const text = "Příliš žluťoučký kůň 🐎 ".repeat(20_000);
      keeping.answer(() => Response.json({ text }));
      const idempotencyKey = newKey();
      const [one, two] = [await attempt({ idempotencyKey }), await attempt({ idempotencyKey }, CONNECT, 1)];
      expect(two.text).toBe(`ok ${JSON.stringify({ text })}`);
      expect([two.text === one.text, two.replayed]).toEqual([true, "true"]);
    });

    test.each([
      ["BACKEND_UNAVAILABLE", COUNT, () => new Response("down", { status: 503 })],
      ["BACKEND_BAD_RESPONSE", COUNT, () => new Response("broken", { status: 500 })],
      ["BACKEND_BAD_RESPONSE", COUNT, () => new Response("<html>", { headers: { "content-type": "text/html" } })],
      ["BACKEND_TIMEOUT", "test.slow", () => new Promise<Response>(() => {})],
    ] as const)("%s is not kept: the next request with the key calls the backend", async (reason, messageType, respond) => {
      const idempotencyKey = newKey();
      keeping.answer(respond);
      expect((await attempt({ messageType, idempotencyKey })).text).toBe(reason);
      keeping.answer(() => Response.json({ fine: true }));
      expect(await attempt({ messageType, idempotencyKey }, CONNECT, 1)).toEqual({ text: 'ok {"fine":true}', replayed: null });
      expect(executionsOf(idempotencyKey)).toBe(2);
    });

    test("a payload that the route refuses is not kept, and the key stays free", async () => {
      const idempotencyKey = newKey();
      const messageType = "test.get";
      expect((await attempt({ messageType, idempotencyKey, payload: "{}" })).text).toBe("PAYLOAD_INVALID");
      keeping.world.faults.on(`${COUNT_PATH}/7`, () => Response.json({ id: 7 }));
      expect((await attempt({ messageType, idempotencyKey, payload: '{"id":7}' })).text).toBe('ok {"id":7}');
    });

    test("a route without keep_answer_ms, and a request without a key, execute each time", async () => {
      const idempotencyKey = newKey();
      for (const messageType of ["test.plain", "test.plain"]) {
        expect((await attempt({ messageType, idempotencyKey })).replayed).toBeNull();
      }
      expect(executionsOf(idempotencyKey)).toBe(2);
      const before = keeping.executed.length;
      for (let n = 0; n < 2; n++) expect((await attempt({})).replayed).toBeNull();
      expect(keeping.executed.length).toBe(before + 2);
    });

    test("the key of a kept answer is refused for a command of a route without keep_answer_ms, at every gateway", async () => {
      const idempotencyKey = newKey();
      expect((await attempt({ idempotencyKey })).text).toStartWith("ok ");
      for (const gateway of keeping.gateways.keys()) {
        const other = await attempt({ messageType: "test.plain", idempotencyKey }, CONNECT, gateway);
        expect(other.text).toBe("IDEMPOTENCY_KEY_REUSED");
      }
      expect(executionsOf(idempotencyKey)).toBe(1);
    });

    test("so is the key of a command in flight", async () => {
      const idempotencyKey = newKey();
      const release = holdAnswers(keeping);
      const first = attempt({ idempotencyKey });
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      const other = await attempt({ messageType: "test.plain", idempotencyKey });
      release.resolve();
      expect([(await first).text.slice(0, 3), other.text]).toEqual(["ok ", "IDEMPOTENCY_KEY_REUSED"]);
    });

    test.each([408, 425, 429])("an answer of status %d asks to try again, and is not kept", async (status) => {
      const idempotencyKey = newKey();
      keeping.answer(() => Response.json({ code: "later" }, { status }));
      expect(await attempt({ idempotencyKey })).toEqual({ text: 'later {"code":"later"}', replayed: null });
      keeping.answer((at) => Response.json({ execution: at }));
      expect((await attempt({ idempotencyKey })).text).toStartWith("ok ");
      expect((await attempt({ idempotencyKey })).replayed).toBe("true");
      expect(executionsOf(idempotencyKey)).toBe(2);
    });

    test("of 50 concurrent copies in every protocol, one is executed and all get its answer", async () => {
      const idempotencyKey = newKey();
      const release = holdAnswers(keeping);
      const copies = Array.from({ length: 50 }, (_, at) => attempt({ idempotencyKey }, VARIANTS[at % VARIANTS.length], at));
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      release.resolve();
      const answers = await Promise.all(copies);
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
      expect(executionsOf(idempotencyKey)).toBe(1);
    });

    test("if the first gets no definite answer, one of those who wait calls the backend, and the others get its answer", async () => {
      const idempotencyKey = newKey();
      const release = Promise.withResolvers<void>();
      let running = 0;
      keeping.answer(async () => {
        expect(++running).toBe(1);
        if (executionsOf(idempotencyKey) === 1) await release.promise;
        running--;
        if (executionsOf(idempotencyKey) < 3) return new Response("down", { status: 503 });
        return Response.json({ third: true });
      });
      const copies = Array.from({ length: 10 }, (_, at) => attempt({ idempotencyKey }, CONNECT, at));
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      release.resolve();
      const texts = (await Promise.all(copies)).map(({ text }) => text).toSorted();
      expect(texts).toEqual([...Array(2).fill("BACKEND_UNAVAILABLE"), ...Array(8).fill('ok {"third":true}')]);
      expect(executionsOf(idempotencyKey)).toBe(3);
    });

    test.each(VARIANTS)("$name: the first continues when its client goes, and the repeat gets its answer", async (variant) => {
      const idempotencyKey = newKey();
      const release = Promise.withResolvers<void>();
      const cancelled: string[] = [];
      keeping.answer(async (at, { signal }) => {
        signal.addEventListener("abort", () => cancelled.push("cancelled"));
        await release.promise;
        return Response.json({ execution: at });
      });
      const gone = new AbortController();
      const request = await signKeyed(device, { messageType: COUNT, idempotencyKey });
      const lost = send(keeping.transport(variant), request, gone.signal);
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      gone.abort();
      expect((await lost).text).toContain("canceled");
      const repeat = attempt({ idempotencyKey }, variant, 1);
      release.resolve();
      expect(await repeat).toMatchObject({ replayed: "true" });
      expect([executionsOf(idempotencyKey), cancelled]).toEqual([1, []]);
    });

    test("the first continues when the timeout of its client has passed", async () => {
      const idempotencyKey = newKey();
      const release = holdAnswers(keeping);
      const client = createClient(Gateway, keeping.transport(CONNECT));
      const request = await signKeyed(device, { messageType: COUNT, idempotencyKey });
      const first = client.executeCommand(request, { timeoutMs: 500 });
      await expect(first).rejects.toThrow("deadline_exceeded");
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      await until(() => timedOut(idempotencyKey) === 1, "the gateway to end the call");
      release.resolve();
      expect(await attempt({ idempotencyKey }, CONNECT, 1)).toMatchObject({ replayed: "true" });
      expect(executionsOf(idempotencyKey)).toBe(1);
    });

    test("one that waits ends with its own timeout; the first is not affected", async () => {
      const idempotencyKey = newKey();
      const release = holdAnswers(keeping);
      const first = attempt({ idempotencyKey });
      await until(() => executionsOf(idempotencyKey) === 1, "the first to be executed");
      for (const gateway of keeping.gateways.keys()) {
        const client = createClient(Gateway, keeping.transport(CONNECT, gateway));
        const request = await signKeyed(device, { messageType: COUNT, idempotencyKey });
        await expect(client.executeCommand(request, { timeoutMs: 60 })).rejects.toThrow("deadline_exceeded");
      }
      await until(() => timedOut(idempotencyKey) === keeping.gateways.length, "the gateways to end the calls");
      release.resolve();
      expect((await first).text).toStartWith("ok ");
      expect(executionsOf(idempotencyKey)).toBe(1);
    });

    test("outcomes are counted and logged", async () => {
      const count = async (outcome: string) => {
        const values = keeping.gateways.map((each) => metric(each, "sallyport_answers_total", `{outcome="${outcome}"}`));
        return (await Promise.all(values)).reduce((sum, value) => sum + value, 0);
      };
      const before = { kept: await count("kept"), replayed: await count("replayed"), reused: await count("reused") };
      const idempotencyKey = newKey();
      await attempt({ idempotencyKey });
      await attempt({ idempotencyKey });
      await attempt({ idempotencyKey, payload: '{"other":1}' });
      expect(await count("kept")).toBe(before.kept + 1);
      expect(await count("replayed")).toBe(before.replayed + 1);
      expect(await count("reused")).toBe(before.reused + 1);
      const [gateway] = keeping.gateways;
      if (gateway === undefined) return expect.unreachable();
      expect(await metric(gateway, "sallyport_answer_entries")).toBeGreaterThan(10);
      expect(await metric(gateway, "sallyport_answer_bytes")).toBeGreaterThan(10 * 1024);
      const logged = () => {
        const lines = keeping.logged().split("\n");
        return lines.filter((line) => line.includes(idempotencyKey)).map((line) => JSON.parse(line));
      };
      await until(() => logged().length === 3, "the requests to be logged");
      expect(logged().map(({ answer, reason }) => answer ?? reason ?? "first")).toEqual([
        "first",
        "replayed",
        "IDEMPOTENCY_KEY_REUSED",
      ]);
      expect(logged().every((line) => line.idempotency_key === idempotencyKey)).toBe(true);
    });
  });
}

test("on the one port, every protocol keeps answers, and a client that goes does not end its call", async () => {
  const keeping = await openKeeping("memory", { "edge.grpc": "same-port" });
  const device = await keeping.world.login();
  for (const [at, variant] of VARIANTS.entries()) {
    const release = holdAnswers(keeping);
    const sign = () => signKeyed(device, { messageType: COUNT, idempotencyKey: `key-of-${at}-12345` });
    const gone = new AbortController();
    const lost = send(keeping.transport(variant), await sign(), gone.signal);
    await until(() => keeping.executed.length === at + 1, "the first to be executed");
    gone.abort();
    await lost;
    release.resolve();
    expect(await send(keeping.transport(variant), await sign())).toEqual({ text: `ok {"execution":${at}}`, replayed: "true" });
  }
  expect(keeping.executed).toHaveLength(VARIANTS.length);
  await keeping.close();
});
