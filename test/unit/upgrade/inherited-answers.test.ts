import { expect, test } from "bun:test";
import type { AnswerClaim, AnswerStore, ClaimOutcome, KeyedRequest } from "../../../src/core/answers.ts";
import { AnswerProcesses } from "../../support/answer-processes.ts";

/** What becomes of kept answers and commands in flight when the old process of an upgrade ends. */

const NEVER = new AbortController().signal;
const LEASE_MS = 60_000;
const BOUNDS = { entriesMax: 10_000, bytesMax: 64 * 1024 * 1024 };

function setUp() {
  const processes = new AnswerProcesses(BOUNDS);
  const nowMs = processes.clock.now();
  const age = { keptForMs: 600_000, keptUntilMs: nowMs + 600_000, storedUntilMs: nowMs + 700_000 };
  const request = (key: string): KeyedRequest => ({
    ...{ deviceSessionId: "session-1", idempotencyKey: key, fingerprint: `of ${key}` },
    asOfMs: processes.clock.now(),
  });
  const claim = (store: AnswerStore, key: string) => store.claim(request(key), LEASE_MS, NEVER);
  return { processes, age, claim };
}

const reply = (text: string) => ({ resultCode: "ok", payloadBytes: new TextEncoder().encode(text) });

function firstOf(outcome: ClaimOutcome): AnswerClaim {
  return outcome.kind === "first" ? outcome.claim : expect.unreachable(outcome.kind);
}

function textOf(outcome: ClaimOutcome): string {
  return outcome.kind === "kept" ? Buffer.from(outcome.reply.payloadBytes).toString() : outcome.kind;
}

test("every kept answer is handed over, more than one message holds, with its age and its clock", async () => {
  const { processes, age, claim } = setUp();
  const { old, successor, own, giver, clock } = processes;
  for (let n = 0; n < 600; n++) firstOf(await claim(old, `key-${n}`)).keep(reply(`answer ${n}`), age);
  await giver.handOver();
  expect(processes.kill()).toBe(false);
  expect([own.entries, own.bytes]).toEqual([old.entries, old.bytes]);
  for (const n of [0, 255, 256, 599]) expect(textOf(await claim(successor, `key-${n}`))).toBe(`answer ${n}`);
  clock.advance(age.storedUntilMs - clock.now() - 1);
  own.trim();
  expect(own.entries).toBe(600);
  clock.advance(1);
  own.trim();
  expect(own.entries).toBe(0);
});

test("an answer stays in time after the handover if the wall clock was set ahead before", async () => {
  const { processes, age, claim } = setUp();
  firstOf(await claim(processes.old, "key")).keep(reply("answer"), age);
  processes.clock.step(age.storedUntilMs);
  await processes.giver.handOver();
  processes.own.trim();
  expect(textOf(await claim(processes.successor, "key"))).toBe("answer");
});

test("a command in flight at the successor continues: others wait for it, and get its answer", async () => {
  const { processes, age, claim } = setUp();
  const { successor, giver } = processes;
  const held = firstOf(await claim(successor, "key"));
  const waiting = claim(successor, "key");
  await giver.handOver();
  processes.kill();
  const later = claim(successor, "key");
  expect(await held.keep(reply("answer"), age)).toBe(true);
  expect([textOf(await waiting), textOf(await later)]).toEqual(["answer", "answer"]);
});

test("a command that ends during the handover is not lost, and one that was released can be claimed again", async () => {
  const { processes, age, claim } = setUp();
  const { successor, giver } = processes;
  const [kept, released] = [firstOf(await claim(successor, "kept")), firstOf(await claim(successor, "released"))];
  const handedOver = giver.handOver();
  const keeping = kept.keep(reply("answer"), age);
  await released.release();
  await handedOver;
  expect(await keeping).toBe(true);
  expect(textOf(await claim(successor, "kept"))).toBe("answer");
  expect(textOf(await claim(successor, "released"))).toBe("first");
});

test("a claim that arrives during the handover waits for it, and finds the answer", async () => {
  const { processes, age, claim } = setUp();
  firstOf(await claim(processes.old, "key")).keep(reply("answer"), age);
  const handedOver = processes.giver.handOver();
  await Promise.resolve();
  const arrived = claim(processes.successor, "key");
  await handedOver;
  expect(textOf(await arrived)).toBe("answer");
});

test("if the old process is killed, its answers are lost and known to be lost, and commands in flight still end", async () => {
  const { processes, age, claim } = setUp();
  const { old, successor } = processes;
  firstOf(await claim(old, "lost")).keep(reply("answer"), age);
  const held = firstOf(await claim(successor, "held"));
  const keeping = firstOf(await claim(successor, "keeping")).keep(reply("unconfirmed"), age);
  const waiting = claim(successor, "held");
  expect(processes.kill()).toBe(true);
  expect(await keeping).toBe(true);
  expect(await held.keep(reply("held answer"), age)).toBe(true);
  expect(textOf(await waiting)).toBe("held answer");
  expect(textOf(await claim(successor, "keeping"))).toBe("unconfirmed");
  expect(textOf(await claim(successor, "lost"))).toBe("first");
});
