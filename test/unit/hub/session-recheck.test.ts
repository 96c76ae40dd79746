import { describe, expect, test } from "bun:test";
import type { FoundSession } from "../../../src/core/ports.ts";
import { refuse } from "../../../src/core/refusal.ts";
import { SessionRecheck } from "../../../src/hub/session-recheck.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

const found = (deviceSessionId: string, status: "active" | "revoked"): FoundSession => ({
  session: { deviceSessionId, userId: "u-1", status, key: { verify: () => false } },
  mark: 0,
});

type Answer = "active" | "revoked" | "unknown" | "unavailable";

/** Live streams, and a directory that answers as the test says. */
function setUp(answers: Map<string, Answer>, lookUpsMax = 3) {
  const live = new Set(answers.keys());
  const asked: string[] = [];
  let [underWay, mostUnderWay] = [0, 0];
  const sleeping: (() => void)[] = [];
  const recheck = new SessionRecheck({
    streams: {
      liveSessions: () => live,
      isLive: (id) => live.has(id),
      revoke: ({ deviceSessionId }) => Number(live.delete(deviceSessionId)),
    },
    sessions: {
      async find(id) {
        asked.push(id);
        mostUnderWay = Math.max(mostUnderWay, ++underWay);
        await Bun.sleep(0);
        underWay--;
        const answer = answers.get(id);
        if (answer === "unavailable") throw refuse("SESSION_LOOKUP_UNAVAILABLE");
        return answer === "active" || answer === "revoked" ? found(id, answer) : undefined;
      },
    },
    lookUpsMax,
    retryMs: 1000,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        sleeping.push(resolve);
        signal.addEventListener("abort", () => resolve());
      }),
    log,
  });
  return { recheck, live, asked, mostUnderWay: () => mostUnderWay, sleeping };
}

describe("when the feed had a gap", () => {
  test("streams of sessions that were revoked or deleted unheard are ended, the others live on", async () => {
    const { recheck, live } = setUp(
      new Map([
        ["a", "active"],
        ["r", "revoked"],
        ["d", "unknown"],
        ["b", "active"],
      ]),
    );
    await recheck.start();
    expect([...live]).toEqual(["a", "b"]);
  });

  test("few sessions are looked up at a time, each once", async () => {
    const answers = new Map(Array.from({ length: 50 }, (_, n) => [`s-${n}`, "active"] as const));
    const { recheck, asked, mostUnderWay } = setUp(answers, 4);
    await recheck.start();
    expect(asked.toSorted()).toEqual([...answers.keys()].toSorted());
    expect(mostUnderWay()).toBe(4);
  });

  test("a session that nobody can tell about keeps its stream, and is looked up again until somebody can", async () => {
    const answers = new Map<string, Answer>([
      ["a", "unavailable"],
      ["b", "active"],
    ]);
    const { recheck, live, asked, sleeping } = setUp(answers);
    const done = recheck.start();
    for (let round = 0; round < 3; round++) {
      while (sleeping.length === 0) await Bun.sleep(0);
      expect([...live]).toEqual(["a", "b"]);
      if (round === 2) answers.set("a", "revoked");
      sleeping.pop()?.();
    }
    await done;
    expect([...live]).toEqual(["b"]);
    expect(asked).toEqual(["a", "b", "a", "a", "a"]);
  });

  test("another gap meanwhile begins anew with all of them", async () => {
    const answers = new Map<string, Answer>([
      ["a", "active"],
      ["b", "unavailable"],
    ]);
    const { recheck, live, sleeping } = setUp(answers);
    const first = recheck.start();
    while (sleeping.length === 0) await Bun.sleep(0);
    answers.set("a", "revoked").set("b", "active");
    await recheck.start();
    await first;
    expect([...live]).toEqual(["b"]);
  });

  test("however often there are gaps, no more sessions are looked up at a time", async () => {
    const answers = new Map(Array.from({ length: 10 }, (_, n): [string, Answer] => [`s-${n}`, "active"]));
    const { recheck, mostUnderWay, asked } = setUp(answers);
    const all = Array.from({ length: 5 }, () => recheck.start());
    await Promise.all(all);
    expect(mostUnderWay()).toBe(3);
    expect(new Set(asked).size).toBe(10);
  });

  test("a session whose streams are gone by then is not looked up", async () => {
    const { recheck, live, asked } = setUp(
      new Map([
        ["a", "active"],
        ["b", "active"],
      ]),
      1,
    );
    const done = recheck.start();
    live.delete("b");
    await done;
    expect(asked).toEqual(["a"]);
  });
});
