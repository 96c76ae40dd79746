import { describe, expect, test } from "bun:test";
import { SallyportClient } from "../../src/client/client.ts";
import { textMember } from "../../src/client/json.ts";
import { COUNT, openKeeping, type StoreKind } from "../support/keeping-gateways.ts";
import { openLossyProxy } from "../support/lossy-proxy.ts";
import { deliverAll, ExecutionLedger } from "../support/lost-answers.ts";
import { NO_REDIS } from "../support/redis.ts";
import { seeded } from "../support/seeded.ts";

/** The client's own retries: a thousand commands through a proxy that loses 30 % of all answers, those of the keys too. */

const COMMANDS = 1000;
const LOSS_RATE = 0.3;
const SESSIONS = 8;
/** Gateways behind one address have the same signing key. */
const SEED = Buffer.alloc(32, 5).toString("base64");
const RUN_MS = 60_000;

const KINDS: readonly (readonly [StoreKind, string, string | undefined])[] = [
  ["memory", "one gateway, memory", undefined],
  ["Redis", "two gateways, one Redis", NO_REDIS],
];

for (const [kind, name, missing] of KINDS) {
  describe.skipIf(missing !== undefined)(missing ?? `lost answers, ${name}`, () => {
    test(
      "with an idempotency key, each command is executed once, and execute resolves to the one answer",
      async () => {
        const keeping = await openKeeping(kind, { "stores.redis.timeout_ms": 10_000, "keys.current": SEED });
        const ledger = new ExecutionLedger();
        keeping.answer(async (_at, request) => {
          const { command } = await request.json();
          // Some calls take longer than an attempt of the client, so that repeats arrive while the first is in flight.
          if (command % 10 === 0) await Bun.sleep(30);
          return Response.json({ receipt: ledger.execute(command) });
        });
        const targets = keeping.gateways.map(({ edgeUrl }) => edgeUrl);
        const proxy = await openLossyProxy({ targets, lossRate: LOSS_RATE, random: seeded(20_261_127) });
        // Only the delays differ from the defaults, so that the test is quick.
        const retry = { delayMinMs: 1, delayMaxMs: 20 };
        const clients = await Promise.all(
          Array.from({ length: SESSIONS }, async () => {
            const credentials = await keeping.world.login();
            return new SallyportClient({ baseUrl: proxy.url, credentials, retry });
          }),
        );
        let replayed = 0;
        const deliver = async (command: number) => {
          const client = clients[command % SESSIONS] ?? expect.unreachable();
          const result = await client.execute(COUNT, { command }, { idempotencyKey: `command-${command}` });
          if (result.replayed) replayed++;
          return textMember(result.payload, "receipt") ?? result.resultCode;
        };
        try {
          expect(await deliverAll({ commands: COMMANDS, concurrency: 32, ledger, deliver })).toEqual([]);
          expect(keeping.executed).toHaveLength(COMMANDS);
          expect(proxy.lost()).toBeGreaterThan(COMMANDS * LOSS_RATE);
          // Most of the lost answers were kept. Some attempts were lost before they were executed.
          expect(replayed).toBeGreaterThan(COMMANDS * LOSS_RATE * 0.4);
        } finally {
          await proxy.close();
          await keeping.close();
        }
      },
      RUN_MS,
    );
  });
}

test("without retries, the same losses reach the caller, so that the test above cannot pass by luck", async () => {
  const keeping = await openKeeping("memory");
  const ledger = new ExecutionLedger();
  keeping.answer(async (_at, request) => Response.json({ receipt: ledger.execute((await request.json()).command) }));
  const [{ edgeUrl } = expect.unreachable()] = keeping.gateways;
  const paths = new Set(["/sallyport.v1.Gateway/ExecuteCommand"]);
  const proxy = await openLossyProxy({ targets: [edgeUrl], lossRate: LOSS_RATE, paths, random: seeded(7) });
  const client = new SallyportClient({ baseUrl: proxy.url, credentials: await keeping.world.login(), retry: false });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, command) => client.execute(COUNT, { command }, { idempotencyKey: `command-${command}` })),
  );
  try {
    expect(outcomes.filter(({ status }) => status === "rejected").length).toBeGreaterThan(10);
  } finally {
    await proxy.close();
    await keeping.close();
  }
});
