import { describe, expect, test } from "bun:test";
import { createLog, type LogOptions } from "../../../src/observe/log.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const clock = new ManualClock(Date.UTC(2030, 0, 2, 3, 4, 5, 678));

/** A log and the batches that it has written. */
function recorded(options: Partial<LogOptions> = {}) {
  const batches: string[] = [];
  const log = createLog({ level: "debug", format: "json", clock, write: (batch) => batches.push(batch), ...options });
  return { log, batches };
}

async function lineOf(
  options: Partial<LogOptions>,
  ...entry: Parameters<ReturnType<typeof createLog>["info"]>
): Promise<string> {
  const { log, batches } = recorded(options);
  log.info(...entry);
  await log.flush();
  return batches.join("");
}

describe("lines", () => {
  test("a JSON line has time, level, message and all defined fields", async () => {
    const line = await lineOf({}, "request", { rpc: "ExecuteCommand", ms: 1.5, ok: true, cause: undefined });
    expect(line).toBe(
      '{"time":"2030-01-02T03:04:05.678Z","level":"info","msg":"request","rpc":"ExecuteCommand","ms":1.5,"ok":true}\n',
    );
  });

  test("a pretty line quotes values that are not one word", async () => {
    expect(await lineOf({ format: "pretty" }, "gateway ready", { port: 8080, why: 'a "b"', url: "http://x/?a=1" })).toBe(
      '03:04:05.678 INFO  gateway ready port=8080 why="a \\"b\\"" url="http://x/?a=1"\n',
    );
  });

  for (const format of ["json", "pretty"] as const) {
    test(`log forgery: no value can start a new line or control the terminal (${format})`, async () => {
      const attack = 'x\n{"level":"error"}\r\u001b[2J\u0085\u009b31m\u2028\u2029\u007f\u0000';
      const line = await lineOf({ format }, attack, { "user agent": attack });
      expect(line.trimEnd()).toMatch(/^[\x20-\x7e]*$/);
      if (format === "json") expect(JSON.parse(line)).toMatchObject({ msg: attack, "user agent": attack });
    });
  }

  /** All code points that are invisible or change how other text is displayed. */
  const invisible = Array.from({ length: 0x110000 }, (_, at) => at)
    .filter((at) => at < 0xd800 || at > 0xdfff)
    .map((at) => String.fromCodePoint(at))
    .filter((character) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(character));

  for (const format of ["json", "pretty"] as const) {
    test(`invisible characters are escaped (${format})`, async () => {
      expect(invisible.length).toBeGreaterThan(4000);
      for (let at = 0; at < invisible.length; at += 100) {
        const attack = invisible.slice(at, at + 100).join("");
        const line = await lineOf({ format }, "m", { value: attack, [attack.slice(0, 20)]: 1 });
        expect(line.trimEnd()).toMatch(/^[\x20-\x7e]*$/);
        if (format === "json") expect(JSON.parse(line).value).toBe(attack);
      }
    });

    test(`lone surrogates, private and unassigned characters are escaped, letters are not (${format})`, async () => {
      const line = await lineOf({ format }, "m", {
        value: "\ud800 \udfff \ue000 \u{10ffff} \u{e0001} \u202e\u2066 Zoë 日本 👍",
      });
      expect(line).toContain("\\ud800 \\udfff \\ue000 \\udbff\\udfff \\udb40\\udc01 \\u202e\\u2066 Zoë 日本 👍");
    });

    test(`the length of a line is bounded for any field values (${format})`, async () => {
      for (const filler of ["x", "\u202e", "\u{e0001}", '"', "\\", "\u0000", "日"]) {
        const fields = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`field${at}`, filler.repeat(5000)]));
        const line = await lineOf({ format }, filler.repeat(5000), fields);
        expect(line.length).toBeLessThanOrEqual(8193);
        expect(line).toContain("field0");
        if (format === "json") expect(JSON.parse(line).level).toBe("info");
      }
    });
  }

  test("a field cannot replace time, level or message", async () => {
    const parsed = JSON.parse(await lineOf({}, "real", { msg: "forged", level: "error", time: "never", a: 1 }));
    expect(parsed).toMatchObject({ msg: "real", level: "info", time: "2030-01-02T03:04:05.678Z", field_msg: "forged", a: 1 });
  });

  test("long values are truncated", async () => {
    for (const format of ["json", "pretty"] as const) {
      const line = await lineOf({ format }, "m".repeat(1e6), { cause: "x".repeat(1e6) });
      expect(line.length).toBeLessThan(9000);
    }
  });

  test("lines below the level are not written", async () => {
    const { log, batches } = recorded({ level: "warn" });
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    await log.flush();
    expect(batches.join("").match(/"msg":"."/g)).toEqual(['"msg":"w"', '"msg":"e"']);
  });
});

describe("batches", () => {
  test("lines are written in one batch, in order, without a flush", async () => {
    const written = Promise.withResolvers<string>();
    const { log } = recorded({ write: written.resolve });
    for (let at = 0; at < 3; at++) log.info(`line ${at}`);
    expect((await written.promise).match(/line \d/g)).toEqual(["line 0", "line 1", "line 2"]);
  });

  test("a full batch is written immediately", () => {
    const { log, batches } = recorded();
    for (let at = 0; at < 100; at++) log.info("x".repeat(1000));
    expect(batches).toHaveLength(1);
    expect(batches[0]?.length).toBeGreaterThan(64 * 1024);
  });

  test("a slow sink receives one batch at a time, and no line is lost", async () => {
    const batches: string[] = [];
    let gate = Promise.withResolvers<void>();
    const { log } = recorded({
      write(batch) {
        batches.push(batch);
        return gate.promise;
      },
    });
    for (let at = 0; at < 200; at++) log.info(`${at} ${"x".repeat(1000)}`);
    expect(batches).toHaveLength(1);
    const first = gate;
    gate = Promise.withResolvers();
    gate.resolve();
    first.resolve();
    await log.flush();
    expect([...(batches.join("").match(/"msg":"\d+/g) ?? [])]).toEqual(Array.from({ length: 200 }, (_, at) => `"msg":"${at}`));
  });

  test("the buffer for a blocked sink is bounded: further lines are dropped and counted", () => {
    let dropped = 0;
    let kept = 0;
    const { log } = recorded({
      onDropped: (lines) => {
        dropped += lines;
      },
      write(batch) {
        kept += batch.length;
        return new Promise(() => {});
      },
    });
    const line = "x".repeat(2000);
    for (let at = 0; at < 10_000; at++) log.info(line);
    expect(kept).toBeLessThan(70_000);
    expect(dropped).toBeGreaterThan(7600);
    expect(dropped).toBeLessThan(8000);
  });

  test("lines lost by a failing sink (closed pipe, full disk) are counted, and nothing is thrown", async () => {
    for (const write of [() => Promise.reject(new Error("EPIPE")), () => raise(new Error("EPIPE"))]) {
      let dropped = 0;
      const { log } = recorded({
        write,
        onDropped: (lines) => {
          dropped += lines;
        },
      });
      log.info("a");
      log.info("b");
      await log.flush();
      expect(dropped).toBe(2);
    }
  });

  test("flush resolves after its timeout if the sink is blocked", async () => {
    const { log } = recorded({ write: () => new Promise(() => {}) });
    log.info("a");
    await log.flush(10);
  });
});

function raise(error: Error): never {
  throw error;
}
