import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readEntry } from "../../../../src/backend/redis/stream-entry.ts";
import { ZERO_ID } from "../../../../src/backend/redis/stream-reader.ts";
import type { ClientAudience } from "../../../../src/core/events.ts";
import { NO_REDIS } from "../../../support/redis.ts";
import { TestStream } from "../../../support/test-stream.ts";

/** Entries of a real Redis Stream with bytes outside ASCII: delivered byte for byte, or dropped if they are not UTF-8. */

const reason = NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`;
/** Adds an entry whose names and values are given in hexadecimal. */
const ADD_BYTES = `
local texts = {}
for i, hex in ipairs(ARGV) do
  texts[i] = hex:gsub('..', function(pair) return string.char(tonumber(pair, 16)) end)
end
return redis.call('XADD', KEYS[1], '*', unpack(texts))
`;

describe.skipIf(NO_REDIS !== undefined)(`entries with any bytes${reason}`, () => {
  let stream: TestStream;
  beforeAll(async () => {
    stream = await TestStream.start();
  });
  afterAll(() => stream.close());
  beforeEach(() => stream.client.send("FLUSHALL", []));

  /** Adds one entry, reads it, and validates it. A text stands for its characters up to U+00FF as bytes. */
  async function stepOf(fields: readonly (readonly [name: string, value: string])[]) {
    const texts = fields.flat().map((text) => Buffer.from(text, "latin1").toString("hex"));
    await stream.client.send("EVAL", [ADD_BYTES, "1", "s", ...texts]);
    const { entries } = await stream.reader.readAfter(ZERO_ID);
    expect(entries).toHaveLength(1);
    return entries.map(readEntry)[0];
  }

  const bytesOf = (text: string) => Buffer.from(text).toString("latin1");
  const problem = { field: undefined, message: "expected UTF-8; send other bytes as payload_bytes in the field event" };
  const event = { user_id: "u", device_session_id: "d", event_type: "a.b", event_id: "e", payload: "p" };
  /** Bytes that are not UTF-8: never valid, cut short, too long a form, a surrogate, above U+10FFFF. */
  const BAD = ["a\xff\xfeb", "\xe2\x82", "\xf0\x9f\x98", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80"];

  test.each(BAD)("a payload with the bytes %j is dropped, and its session gets a resync", async (payload) => {
    expect(await stepOf(Object.entries({ ...event, payload }))).toMatchObject({
      ...{ kind: "dropped", reason: "undecodable", lost: "event" },
      ...{ lostTo: { userId: "u", deviceSessionId: "d" }, problem },
    });
  });

  const audiences: readonly (readonly [field: keyof typeof event, lostTo: ClientAudience | "everybody"])[] = [
    ["user_id", { userId: "", deviceSessionId: "d" }],
    ["device_session_id", "everybody"],
    ["event_type", { userId: "u", deviceSessionId: "d" }],
    ["event_id", { userId: "u", deviceSessionId: "d" }],
  ];
  test.each(audiences)("a value of %s that is not UTF-8: the audience that is known gets a resync", async (field, lostTo) => {
    const step = await stepOf(Object.entries({ ...event, [field]: "x\xff" }));
    expect(step).toMatchObject({ kind: "dropped", reason: "undecodable", lost: "event", lostTo, problem });
  });

  test.each(Object.keys(event))("a name that is not UTF-8 in place of %s is dropped", async (field) => {
    const fields = Object.entries(event).map(([name, value]) => [name === field ? `${name}\xff` : name, value] as const);
    expect(await stepOf(fields)).toMatchObject({ kind: "dropped" });
  });

  test.each(["event", "revocation"] as const)(
    "a JSON %s that is not UTF-8 is dropped, and everybody gets a resync",
    async (kind) => {
      for (const bad of BAD) {
        await stream.client.send("FLUSHALL", []);
        const json = kind === "event" ? { ...event, payload: bad } : { device_session_id: "d", reason: bad };
        const step = await stepOf([[kind, JSON.stringify(json)]]);
        expect(step).toMatchObject({ kind: "dropped", reason: "undecodable", lost: kind, lostTo: "everybody", problem });
      }
    },
  );

  test.each(["", "\u0000", "\ufeff1", "\ufffd", "é€😀", "\u2028"])(
    "the payload %j is delivered byte for byte, as a field and in JSON",
    async (text) => {
      const payload = bytesOf(text);
      const asField = await stepOf(Object.entries({ ...event, payload }));
      expect(asField).toMatchObject({ kind: "client_event", event: { payloadBytes: Uint8Array.from(Buffer.from(text)) } });
      await stream.client.send("FLUSHALL", []);
      const asJson = await stepOf([["event", bytesOf(JSON.stringify({ ...event, payload: text }))]]);
      const expected = Uint8Array.from(Buffer.from(JSON.stringify(text)));
      expect(asJson).toMatchObject({ kind: "client_event", event: { payloadBytes: expected } });
    },
  );

  test("a revocation with a reason outside ASCII is read", async () => {
    const step = await stepOf([["revocation", bytesOf(JSON.stringify({ device_session_id: "d", reason: "déconnecté" }))]]);
    expect(step).toEqual({ kind: "session_invalidation", revocation: { userId: "", deviceSessionId: "d" } });
  });
});

test.each(["event", "revocation"])(
  "white space around the JSON of the field %s: only the white space of JSON is accepted",
  (name) => {
    const json = JSON.stringify(name === "event" ? { user_id: "u", event_type: "a.b" } : { user_id: "u" });
    const kindOf = (value: string) => readEntry({ id: "1-1", isUtf8: true, fields: [[name, value]] }).kind;
    expect(kindOf(`\r\n\t ${json} \t\r\n`)).toBe(name === "event" ? "client_event" : "session_invalidation");
    for (const space of ["\u00a0", "\ufeff", "\u2028", "\v", "\f", "\u3000"])
      expect([kindOf(space + json), kindOf(json + space)]).toEqual(["dropped", "dropped"]);
  },
);
