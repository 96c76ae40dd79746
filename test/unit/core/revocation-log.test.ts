import { expect, test } from "bun:test";
import { concerns, RevocationLog } from "../../../src/core/revocation-log.ts";

test("a revocation after the mark is seen, one before it is not", () => {
  const log = new RevocationLog();
  log.append({ deviceSessionId: "s-1" });
  const mark = log.mark();
  expect(log.revokedSince(mark, "s-1", "u-1")).toBe("not_revoked");
  log.append({ deviceSessionId: "s-1" });
  expect(log.revokedSince(mark, "s-1", "u-1")).toBe("revoked");
  expect(log.revokedSince(log.mark(), "s-1", "u-1")).toBe("not_revoked");
});

test("a user's revocation ends each of its sessions, a session's only itself, whatever user it names", () => {
  expect(concerns({ userId: "u-1" }, "s-1", "u-1")).toBe(true);
  expect(concerns({ userId: "u-1" }, "s-1", "u-2")).toBe(false);
  expect(concerns({ deviceSessionId: "s-1" }, "s-1", "u-1")).toBe(true);
  expect(concerns({ userId: "u-1", deviceSessionId: "s-2" }, "s-1", "u-1")).toBe(false);
  expect(concerns({ userId: "u-1", deviceSessionId: "" }, "s-1", "u-1")).toBe(true);
});

test("a log that has forgotten what came after a mark never says that nothing did", () => {
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

test("the newest entries are still told apart after many times round", () => {
  const log = new RevocationLog(8);
  for (let n = 0; n < 1000; n++) {
    const mark = log.mark();
    log.append({ deviceSessionId: `s-${n}` });
    expect(log.revokedSince(mark, `s-${n}`, "u")).toBe("revoked");
    expect(log.revokedSince(mark, `s-${n - 1}`, "u")).toBe("not_revoked");
  }
});
