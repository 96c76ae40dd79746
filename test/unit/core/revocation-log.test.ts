import { expect, test } from "bun:test";
import { concerns, RevocationLog } from "../../../src/core/revocation-log.ts";

test("a revocation after the mark is found, one before it is not", () => {
  const log = new RevocationLog();
  log.append({ deviceSessionId: "s-1" });
  const mark = log.mark();
  expect(log.revokedSince(mark, "s-1", "u-1")).toBe("not_revoked");
  log.append({ deviceSessionId: "s-1" });
  expect(log.revokedSince(mark, "s-1", "u-1")).toBe("revoked");
  expect(log.revokedSince(log.mark(), "s-1", "u-1")).toBe("not_revoked");
});

test("a revocation by user concerns all its sessions, one by session id only that session", () => {
  expect(concerns({ userId: "u-1" }, "s-1", "u-1")).toBe(true);
  expect(concerns({ userId: "u-1" }, "s-1", "u-2")).toBe(false);
  expect(concerns({ deviceSessionId: "s-1" }, "s-1", "u-1")).toBe(true);
  expect(concerns({ userId: "u-1", deviceSessionId: "s-2" }, "s-1", "u-1")).toBe(false);
  expect(concerns({ userId: "u-1", deviceSessionId: "" }, "s-1", "u-1")).toBe(true);
});

test("a mark older than the log returns `unknown`", () => {
  const log = new RevocationLog(4);
  const mark = log.mark();
  log.append({ deviceSessionId: "s-1" });
  for (let n = 0; n < 3; n++) log.append({ deviceSessionId: "other" });
  expect(log.revokedSince(mark, "s-1", "u-1")).toBe("revoked");
  expect(log.revokedSince(mark, "s-2", "u-2")).toBe("not_revoked");
  log.append({ deviceSessionId: "other" });
  expect(log.revokedSince(mark, "s-1", "u-1")).toBe("unknown");
  expect(log.revokedSince(mark, "s-2", "u-2")).toBe("unknown");
});

test("the newest entries are found after the ring buffer wrapped many times", () => {
  const log = new RevocationLog(8);
  for (let n = 0; n < 1000; n++) {
    const mark = log.mark();
    log.append({ deviceSessionId: `s-${n}` });
    expect(log.revokedSince(mark, `s-${n}`, "u")).toBe("revoked");
    expect(log.revokedSince(mark, `s-${n - 1}`, "u")).toBe("not_revoked");
  }
});
