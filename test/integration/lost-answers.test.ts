import { describe, expect, test } from "bun:test";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { COUNT, openKeeping, type StoreKind } from "../support/keeping-gateways.ts";
import { type KeyedCommand, send, signKeyed } from "../support/keyed-commands.ts";
import { openLossyProxy } from "../support/lossy-proxy.ts";
import { deliverAll, ExecutionLedger } from "../support/lost-answers.ts";
import { NO_REDIS } from "../support/redis.ts";
import { seeded } from "../support/seeded.ts";
import type { Device } from "../support/world.ts";

/** A thousand commands through a proxy that loses 30 % of the answers, signed again until their answer arrives. */

const COMMANDS = 1000;
const LOSS_RATE = 0.3;
const ATTEMPTS_MAX = 30;
const SESSIONS = 8;
const RUN_MS = 60_000;

const KINDS: readonly (readonly [StoreKind, string | undefined])[] = [
  ["memory", undefined],
  ["Redis", NO_REDIS],
];

for (const [kind, missing] of KINDS) {
  describe.skipIf(missing !== undefined)(missing ?? `lost answers, ${kind}`, () => {
    test.each([
      ["Connect", createConnectTransport],
      ["gRPC-Web", createGrpcWebTransport],
    ] as const)(
      "%s: with an idempotency key, each command is executed once, and its caller gets the one answer",
      async (_, createTransport) => {
        const keeping = await openKeeping(kind, { "stores.redis.timeout_ms": 10_000 });
        const ledger = new ExecutionLedger();
        keeping.answer(async (_at, request) => {
          const { command } = await request.json();
          // Some calls take longer than the client waits, so that repeats arrive while the first is in flight.
          if (command % 10 === 0) await Bun.sleep(30);
          return Response.json({ receipt: ledger.execute(command) });
        });
        const targets = keeping.gateways.map(({ edgeUrl }) => edgeUrl);
        const proxy = await openLossyProxy({ targets, lossRate: LOSS_RATE, random: seeded(20_261_126) });
        const transport = createTransport({ baseUrl: proxy.url, httpVersion: "1.1", useBinaryFormat: true });
        const devices = await Promise.all(Array.from({ length: SESSIONS }, () => keeping.world.login()));
        let attempts = 0;
        const refusals = new Set<string>();
        const deliver = async (command: number) => {
          const device: Device = devices[command % SESSIONS] ?? expect.unreachable();
          const keyed: KeyedCommand = {
            messageType: COUNT,
            payload: JSON.stringify({ command }),
            idempotencyKey: `command-${command}`,
          };
          for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
            attempts++;
            const { text } = await send(transport, await signKeyed(device, keyed));
            if (/^[A-Z_]+$/.test(text)) refusals.add(text);
            if (text.startsWith("ok ")) return String(JSON.parse(text.slice(3)).receipt);
          }
          throw new Error(`no answer after ${ATTEMPTS_MAX} attempts`);
        };
        try {
          expect(await deliverAll({ commands: COMMANDS, concurrency: 32, ledger, deliver })).toEqual([]);
          expect(proxy.lost() / attempts).toBeGreaterThan(LOSS_RATE - 0.06);
          expect([...refusals]).toEqual([]);
          expect(attempts).toBeGreaterThanOrEqual(COMMANDS + proxy.lost());
          expect(keeping.executed).toHaveLength(COMMANDS);
        } finally {
          await proxy.close();
          await keeping.close();
        }
      },
      RUN_MS,
    );
  });
}

test("the driver notices a command that is executed twice, and an answer that is not that of the execution", async () => {
  const twice = new ExecutionLedger();
  const deliver = async (command: number) => {
    if (command === 1) twice.execute(command);
    return twice.execute(command);
  };
  const problems = await deliverAll({ commands: 3, concurrency: 1, ledger: twice, deliver });
  expect(problems).toEqual(["command 1 was executed 2 times", "at the end, command 1 was executed 2 times"]);
  const wrong = new ExecutionLedger();
  const answered = deliverAll({ commands: 1, concurrency: 1, ledger: wrong, deliver: async (n) => `x${wrong.execute(n)}` });
  expect((await answered)[0]).toStartWith("command 0 was answered with x");
});
