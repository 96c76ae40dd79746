import { describe, expect, test } from "bun:test";
import { refuse } from "../../../src/core/refusal.ts";
import type { FoundSession } from "../../../src/core/sessions.ts";
import { SessionRecheck } from "../../../src/hub/session-recheck.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";
import { until } from "../../support/until.ts";

const found = (deviceSessionId: string, status: "active" | "revoked"): FoundSession => ({
  session: { deviceSessionId, userId: "u-1", status, key: { verify: () => false } },
  mark: 0,
});

type Answer = "active" | "revoked" | "missing" | "unavailable";

/** Checks the given sessions again after a gap, with a directory that returns the given answers. */
function createRecheck(answers: Map<string, Answer>, lookUpsMax = 3) {
  const live = new Set(answers.keys());
  const lookedUp: string[] = [];
  let [concurrent, mostConcurrent] = [0, 0];
  const sleeping: (() => void)[] = [];
  const recheck = new SessionRecheck({
    streams: {
      liveSessions: () => live,
      isLive: (id) => live.has(id),
      revoke: ({ deviceSessionId }) => Number(live.delete(deviceSessionId)),
    },
    sessions: {
      async find(id) {
        lookedUp.push(id);
        mostConcurrent = Math.max(mostConcurrent, ++concurrent);
        await Bun.sleep(0);
        concurrent--;
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
    log: SILENT_LOG,
  });
  return { recheck, live, lookedUp, mostConcurrent: () => mostConcurrent, sleeping };
}

describe("the session look-ups after a gap", () => {
  test("ends the streams of revoked and missing sessions only", async () => {
    const { recheck, live } = createRecheck(
      new Map([
        ["a", "active"],
        ["r", "revoked"],
        ["d", "missing"],
        ["b", "active"],
      ]),
    );
    await recheck.start();
    expect([...live]).toEqual(["a", "b"]);
  });

  test("looks every session up once, with bounded concurrency", async () => {
    const answers = new Map(Array.from({ length: 50 }, (_, n) => [`s-${n}`, "active"] as const));
    const { recheck, lookedUp, mostConcurrent } = createRecheck(answers, 4);
    await recheck.start();
    expect(lookedUp.toSorted()).toEqual([...answers.keys()].toSorted());
    expect(mostConcurrent()).toBe(4);
  });

  test("keeps the stream of a session whose look-up fails, and repeats the look-up until it succeeds", async () => {
    const answers = new Map<string, Answer>([
      ["a", "unavailable"],
      ["b", "active"],
    ]);
    const { recheck, live, lookedUp, sleeping } = createRecheck(answers);
    const done = recheck.start();
    for (let round = 0; round < 3; round++) {
      await until(() => sleeping.length > 0, "the pause before the next look-up");
      expect([...live]).toEqual(["a", "b"]);
      if (round === 2) answers.set("a", "revoked");
      sleeping.pop()?.();
    }
    await done;
    expect([...live]).toEqual(["b"]);
    expect(lookedUp).toEqual(["a", "b", "a", "a", "a"]);
  });

  test("restarts with all sessions if it is started again", async () => {
    const answers = new Map<string, Answer>([
      ["a", "active"],
      ["b", "unavailable"],
    ]);
    const { recheck, live, sleeping } = createRecheck(answers);
    const first = recheck.start();
    await until(() => sleeping.length > 0, "the pause before the next look-up");
    answers.set("a", "revoked").set("b", "active");
    await recheck.start();
    await first;
    expect([...live]).toEqual(["b"]);
  });

  test("keeps its concurrency bound if it is started several times", async () => {
    const answers = new Map(Array.from({ length: 10 }, (_, n): [string, Answer] => [`s-${n}`, "active"]));
    const { recheck, mostConcurrent, lookedUp } = createRecheck(answers);
    const all = Array.from({ length: 5 }, () => recheck.start());
    await Promise.all(all);
    expect(mostConcurrent()).toBe(3);
    expect(new Set(lookedUp).size).toBe(10);
  });

  test("skips a session whose streams have ended meanwhile", async () => {
    const { recheck, live, lookedUp } = createRecheck(
      new Map([
        ["a", "active"],
        ["b", "active"],
      ]),
      1,
    );
    const done = recheck.start();
    live.delete("b");
    await done;
    expect(lookedUp).toEqual(["a"]);
  });
});
