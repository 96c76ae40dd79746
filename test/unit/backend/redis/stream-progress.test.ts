import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StreamProgress } from "../../../../src/backend/redis/stream-progress.ts";
import { ZERO_ID } from "../../../../src/backend/redis/stream-reader.ts";
import { NO_REDIS } from "../../../support/redis.ts";
import { TestStream } from "../../../support/test-stream.ts";

/** Which changes of a real Redis Stream are a gap for a reader, and which are not. */

const reason = NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`;

describe.skipIf(NO_REDIS !== undefined)(`a reader of a Redis Stream${reason}`, () => {
  let stream: TestStream;
  beforeAll(async () => {
    stream = await TestStream.start();
  });
  afterAll(() => stream.close());
  beforeEach(() => stream.client.send("FLUSHALL", []));

  let count = 0;
  const ask = (command: string, ...args: string[]) => stream.client.send(command, args);
  const add = (id: string) => ask("XADD", "s", id, "event", `${count++}`);
  const addTrimmed = () => ask("XADD", "s", "MAXLEN", "1", "*", "event", `${count++}`);
  const addMany = async (times: number) => {
    for (let n = 0; n < times; n++) await ask("XADD", "s", "*", "event", `${count++}`);
  };

  async function read(progress: StreamProgress): Promise<"gap" | number> {
    const result = await stream.reader.readAfter(progress.id);
    if (progress.hasGap(result)) {
      progress.skipTo(result);
      return "gap";
    }
    progress.advance(result);
    return result.entries.length;
  }

  /** A reader that has read `entries` entries. */
  async function readerOf(entries: number) {
    const progress = new StreamProgress(ZERO_ID, false);
    await addMany(entries);
    if (entries > 0) expect(await read(progress)).toBe(entries);
    expect(await read(progress)).toBe(0);
    return progress;
  }

  const cases: readonly (readonly [name: string, entries: number, act: () => Promise<unknown>, expected: "gap" | number])[] = [
    ["new entries", 3, () => addMany(2), 2],
    ["the first entries of a stream", 0, () => addMany(2), 2],
    ["read entries that are trimmed", 3, () => ask("XTRIM", "s", "MAXLEN", "1"), 0],
    [
      "all but the last read entry that are trimmed",
      3,
      async () => [await addMany(2), await ask("XTRIM", "s", "MAXLEN", "3")],
      2,
    ],
    [
      "exactly the read entries that are trimmed",
      3,
      async () => [await addMany(2), await ask("XTRIM", "s", "MAXLEN", "2")],
      "gap",
    ],
    ["one unread entry that is trimmed", 3, async () => [await addMany(2), await ask("XTRIM", "s", "MAXLEN", "1")], "gap"],
    ["all entries that are trimmed", 3, async () => [await addMany(2), await ask("XTRIM", "s", "MAXLEN", "0")], "gap"],
    [
      "the first entries of a stream that are trimmed",
      0,
      async () => [await addMany(2), await ask("XTRIM", "s", "MAXLEN", "1")],
      "gap",
    ],
    ["trimming by every XADD", 3, async () => [await addTrimmed(), await addTrimmed()], "gap"],
    [
      "an unread entry that is deleted",
      3,
      async () => [await ask("XADD", "s", "9999999999999-1", "event", "x"), await ask("XDEL", "s", "9999999999999-1")],
      "gap",
    ],
    ["a flush", 3, () => ask("FLUSHALL"), "gap"],
    ["a flush, then fewer entries", 3, async () => [await ask("FLUSHALL"), await addMany(2)], "gap"],
    ["a flush, then more entries", 3, async () => [await ask("FLUSHALL"), await addMany(9)], "gap"],
    ["a flush, then an older id", 3, async () => [await ask("FLUSHALL"), await add("1-1")], "gap"],
    ["a deleted key that is added again", 3, async () => [await ask("DEL", "s"), await addMany(4)], "gap"],
    [
      "explicit ids in the future",
      3,
      async () => [await add("9999999999999-1"), await add("9999999999999-2"), await addMany(1)],
      3,
    ],
  ];
  test.each(cases)("%s", async (_, entries, act, expected) => {
    const progress = await readerOf(entries);
    await act();
    expect(await read(progress)).toBe(expected);
    // If the newest entry was removed, the reader cannot recognize the stream at the next entry.
    const isRecognized = progress.id === ZERO_ID || (await ask("XRANGE", "s", progress.id, progress.id)).length > 0;
    await addMany(1);
    expect(await read(progress)).toBe(isRecognized ? 1 : "gap");
    await addMany(1);
    expect(await read(progress)).toBe(1);
  });

  test("a flush, then the same ids with other content, is a gap", async () => {
    const progress = new StreamProgress(ZERO_ID, false);
    for (const id of ["1-1", "1-2"]) await add(id);
    expect(await read(progress)).toBe(2);
    await ask("FLUSHALL");
    for (const id of ["1-1", "1-2", "1-3"]) await add(id);
    expect(await read(progress)).toBe("gap");
  });

  test("a flush, then an entry with the id of the deleted newest entry, is a gap", async () => {
    const progress = new StreamProgress(ZERO_ID, false);
    await add("1-1");
    await ask("XDEL", "s", "1-1");
    expect(await read(progress)).toBe("gap");
    await ask("FLUSHALL");
    for (const id of ["1-1", "1-2"]) await add(id);
    expect(await read(progress)).toBe("gap");
  });

  test("a read entry that is deleted is no gap, but after the last one the next entry is", async () => {
    const progress = await readerOf(3);
    const [[first]] = await ask("XRANGE", "s", "-", "+");
    await ask("XDEL", "s", first);
    expect(await read(progress)).toBe(0);
    await ask("XDEL", "s", progress.id);
    expect(await read(progress)).toBe(0);
    await addMany(2);
    expect(await read(progress)).toBe("gap");
  });

  test("after a reconnect, an unknown position is a gap unless nothing was added", async () => {
    const progress = await readerOf(3);
    await ask("XTRIM", "s", "MAXLEN", "0");
    progress.reconnected();
    expect(await read(progress)).toBe(0);
    await addMany(1);
    progress.reconnected();
    expect(await read(progress)).toBe("gap");
  });

  test("a reconnect while the stream is empty is a gap, because an entry may have come and gone; the first connection is none", async () => {
    const progress = await readerOf(0);
    expect(await read(progress)).toBe(0);
    progress.reconnected();
    expect(await read(progress)).toBe("gap");
    await addMany(1);
    expect(await read(progress)).toBe(1);
  });

  test("the start: the newest entry before the age, or the oldest entry", async () => {
    const start = () => stream.reader.findStart(60_000);
    expect(await start()).toEqual({ from: ZERO_ID, last: ZERO_ID, startsAtOldest: false });
    await add("1-1");
    await add("1-2");
    expect(await start()).toEqual({ from: "1-2", last: "1-2", startsAtOldest: false });
    await addMany(2);
    expect(await start()).toMatchObject({ from: "1-2", startsAtOldest: false });
    await ask("XTRIM", "s", "MAXLEN", "1");
    const trimmed = await start();
    expect(trimmed).toMatchObject({ from: ZERO_ID, startsAtOldest: true });
    const progress = new StreamProgress(trimmed.from, trimmed.startsAtOldest);
    expect([await read(progress), await read(progress)]).toEqual([1, 0]);
  });

  test("a key of another type is refused with its reason", async () => {
    await ask("SET", "s", "x");
    expect(stream.reader.readAfter(ZERO_ID)).rejects.toThrow(/WRONGTYPE/);
    expect(stream.reader.findStart(1000)).rejects.toThrow(/WRONGTYPE/);
  });

  test("a read is bounded by size, and an entry that is too large is not transferred", async () => {
    const [half, huge] = ["x".repeat(1_900_000), "x".repeat(2 * 1024 * 1024 + 1)];
    for (const value of [half, half, half, half, huge]) await ask("XADD", "s", "*", "event", value);
    const progress = new StreamProgress(ZERO_ID, false);
    const first = await stream.reader.readAfter(progress.id);
    expect(first.entries).toHaveLength(3);
    progress.advance(first);
    const second = await stream.reader.readAfter(progress.id);
    expect(second.entries.map(({ fields }) => fields?.length)).toEqual([1, undefined]);
  });

  /** The steps of the backend, of operators and of the reader. */
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("add" as const), times: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 6, arbitrary: fc.constant({ do: "read" as const, times: 0 }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("trim" as const), times: fc.integer({ min: 0, max: 6 }) }) },
    { weight: 1, arbitrary: fc.constant({ do: "delete newest" as const, times: 0 }) },
    { weight: 1, arbitrary: fc.constant({ do: "flush" as const, times: 0 }) },
    { weight: 1, arbitrary: fc.constant({ do: "reconnect" as const, times: 0 }) },
  );

  test("whatever happens to the stream, the reader gets every entry in order, or a gap", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: "max" }), async (steps) => {
        await ask("FLUSHALL");
        const progress = new StreamProgress(ZERO_ID, false);
        let [next, expected] = [0, 0];
        for (const { do: act, times } of [...steps, { do: "read" as const, times: 0 }]) {
          if (act === "add") for (let n = 0; n < times; n++) await ask("XADD", "s", "*", "event", String(next++));
          if (act === "trim") await ask("XTRIM", "s", "MAXLEN", String(times));
          if (act === "flush") {
            await ask("FLUSHALL");
            // Within one millisecond, the new stream can get the same ids and numbers. No reader can tell it from the old one.
            await Bun.sleep(2);
            // A reader that knows no entry cannot tell a stream that was never used from one that lost all entries.
            if (progress.id === ZERO_ID) expected = next;
          }
          if (act === "reconnect") progress.reconnected();
          if (act === "delete newest") {
            const newest = await ask("XREVRANGE", "s", "+", "-", "COUNT", "1");
            if (Array.isArray(newest) && newest.length > 0) await ask("XDEL", "s", String(newest[0][0]));
          }
          if (act !== "read") continue;
          const result = await stream.reader.readAfter(progress.id);
          if (progress.hasGap(result)) {
            progress.skipTo(result);
            expected = next;
            continue;
          }
          progress.advance(result);
          for (const { fields } of result.entries) expect(fields).toEqual([["event", String(expected++)]]);
          expect(expected).toBe(next);
        }
      }),
      { numRuns: 150 },
    );
  });
});
