import { afterEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileEventLog, type FileEventLogOptions } from "../../../../src/backend/publish/file-event-log.ts";
import { tryLockFile } from "../../../../src/transport/linux/file-lock.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { RecordingLog } from "../support/recorders.ts";

/** The log of the private listener, in real files. */

let opened = new AsyncDisposableStack();
afterEach(() => opened.disposeAsync());

const isLinux = process.platform === "linux";

function fixture(change: Partial<FileEventLogOptions> = {}) {
  opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "sallyport-log-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "push.log");
  const clock = new ManualClock(1_700_000_000_000);
  const lines = new RecordingLog();
  const open = (more: Partial<FileEventLogOptions> = {}) => {
    const log = new FileEventLog({
      ...{ path, bytesMax: 1024 * 1024, sync: "always", ageMs: 60_000, tryLock: (fd) => !isLinux || tryLockFile(fd) },
      ...{ clock, log: lines, ...change, ...more },
    });
    opened.defer(() => log.close());
    return log;
  };
  /** Appends numbered events, and closes the log. */
  const write = async (from: number, to: number, log = open()) => {
    for (let n = from; n <= to; n++) await log.append([eventOf(n)]);
    await log.close();
  };
  const load = async (more: Partial<FileEventLogOptions> = {}) => {
    const log = open(more);
    const { before, older, events } = log.takeLoaded();
    await log.close();
    return { before, older: older.map(({ eventId }) => eventId), events: events.map(({ event }) => event.eventId) };
  };
  return { path, clock, lines, open, write, load };
}

const eventOf = (n: number, payloadBytes = new Uint8Array([n, 0, 255])) => {
  const event = { userId: "u", deviceSessionId: "", eventType: "a.b", eventId: `e-${n}`, payloadBytes };
  return { event, cursor: `c.${n}` };
};
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `e-${from + at}`);

test("events survive a restart, byte for byte, over several starts", async () => {
  const { open, write, load } = fixture();
  await write(1, 3);
  await write(4, 5);
  const log = open();
  const { before, events } = log.takeLoaded();
  expect(before).toBeUndefined();
  expect(events.map(({ event, cursor }) => [cursor, event.userId, event.eventType, [...event.payloadBytes]])).toEqual(
    [1, 2, 3, 4, 5].map((n) => [`c.${n}`, "u", "a.b", [n, 0, 255]]),
  );
  await log.close();
  expect((await load()).events).toEqual(ids(1, 5));
});

test("older events are not delivered again, but their ids and the last cursor are known", async () => {
  const { clock, write, load } = fixture();
  await write(1, 2);
  clock.advance(61_000);
  await write(3, 4);
  expect(await load()).toEqual({ before: "c.2", older: ids(1, 2), events: ids(3, 4) });
  clock.advance(600_000);
  expect(await load()).toEqual({ before: "c.4", older: [], events: [] });
});

test("the two files stay within the maximum size, and hold the newest events without a hole", async () => {
  const { path, open, load } = fixture({ bytesMax: 64 * 1024 });
  const log = open();
  for (let n = 1; n <= 200; n++) await log.append([eventOf(n, new Uint8Array(1000))]);
  await log.close();
  expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThanOrEqual(64 * 1024);
  const { events } = await load();
  expect(events.length).toBeGreaterThan(20);
  expect(events).toEqual(ids(201 - events.length, 200));
});

test("a torn record at the end is dropped after a kill, and the log continues after the last whole one", async () => {
  const { path, write, load } = fixture();
  await write(1, 3);
  // A kill leaves the lock file empty, and possibly a record that is not complete.
  truncateSync(`${path}.lock`);
  truncateSync(path, statSync(path).size - 7);
  expect((await load()).events).toEqual(ids(1, 2));
  await write(4, 4);
  expect((await load()).events).toEqual([...ids(1, 2), "e-4"]);
});

test("a damaged record in the middle: the events before it are not used, and the damage is logged", async () => {
  const { path, lines, write, load } = fixture();
  await write(1, 5);
  const bytes = readFileSync(path);
  const at = bytes.indexOf("e-3");
  bytes.write("X", at);
  writeFileSync(path, bytes);
  expect((await load()).events).toEqual(ids(4, 5));
  expect(lines.lines.join()).toContain("push log file damaged");
});

test.each(["", ".1", ".next", ".lock"])("a file of something else, with the suffix '%s', is set aside", async (suffix) => {
  const { path, write, load } = fixture();
  writeFileSync(path + suffix, "precious notes\n");
  await write(1, 1);
  expect(readFileSync(`${path}${suffix}.foreign`, "utf8")).toBe("precious notes\n");
  expect((await load()).events).toEqual(ids(1, 1));
});

test("with push.log_sync = os, a log of another boot is not used; a log of another sync neither", async () => {
  const { path, write, open, load } = fixture();
  await write(1, 2, open({ sync: "os" }));
  expect((await load({ sync: "os" })).events).toEqual(isLinux ? ids(1, 2) : []);
  expect((await load({ sync: "always" })).events).toEqual([]);
  const [header = "", ...rest] = readFileSync(path, "utf8").split("\n");
  writeFileSync(path, [header.replace(/"bootId":"./, '"bootId":"X'), ...rest].join("\n"));
  expect((await load({ sync: "os" })).events).toEqual([]);
});

test("a log whose push.log_sync changed and changed back: clients resync, and the ids are remembered", async () => {
  const { lines, write, open, load } = fixture();
  await write(1, 2);
  await write(3, 4, open({ sync: "os" }));
  expect(await load()).toEqual({ before: undefined, older: ids(1, 4), events: [] });
  expect(lines.lines.join()).toContain("push log file not resumable");
  await write(5, 6);
  expect(await load()).toEqual({ before: undefined, older: ids(3, 4), events: ids(5, 6) });
});

test("many events in one write: the newest ones are kept, and the files stay within the maximum size", async () => {
  const { path, open, write, load } = fixture({ bytesMax: 64 * 1024 });
  await write(1, 40);
  const log = open();
  await log.append(Array.from({ length: 200 }, (_, n) => eventOf(41 + n, new Uint8Array(1000))));
  await log.close();
  for (const each of [path, `${path}.1`]) expect(statSync(each).size).toBeLessThanOrEqual(32 * 1024);
  const { before, events } = await load();
  expect(events.length).toBeGreaterThan(20);
  expect([before, events]).toEqual([undefined, ids(241 - events.length, 240)]);
});

test("an event that is larger than a file is not kept: clients resume only after it", async () => {
  const { path, open, write, load } = fixture({ bytesMax: 64 * 1024 });
  await write(1, 3);
  const log = open();
  await log.append([eventOf(4), eventOf(5, new Uint8Array(64 * 1024))]);
  await log.close();
  for (const each of [path, `${path}.1`]) expect(statSync(each).size).toBeLessThanOrEqual(32 * 1024);
  expect(await load()).toEqual({ before: undefined, older: ids(1, 3), events: [] });
  await write(6, 7);
  expect(await load()).toEqual({ before: undefined, older: ids(1, 3), events: ids(6, 7) });
});

test.skipIf(!isLinux)("a second process on the same log is refused (skipped: flock needs Linux)", async () => {
  const { open } = fixture();
  open();
  expect(() => open()).toThrow(/another process uses this log; each gateway needs its own file/);
});

test("a folder that does not exist is named", () => {
  const { open } = fixture({ path: "/no/such/folder/push.log" });
  expect(() => open()).toThrow(/push\.log_file \(\/no\/such\/folder\/push\.log\): cannot be used: ENOENT/);
});

test("the bytes of a failed write are removed, and the next write works", async () => {
  const { path, open, load } = fixture();
  const log = open();
  await log.append([eventOf(1)]);
  // What a write leaves that the end of the process cut off.
  appendFileSync(path, "half a rec");
  await log.close();
  const next = open();
  await next.append([eventOf(2)]);
  await next.close();
  expect(readFileSync(path, "utf8")).not.toContain("half");
  expect((await load()).events).toEqual(ids(1, 2));
});

test("a closed log takes no event", async () => {
  const log = fixture().open();
  await log.close();
  expect(log.append([eventOf(1)])).rejects.toThrow("closed");
});
