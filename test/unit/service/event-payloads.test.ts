import { describe, expect, test } from "bun:test";
import { Refusal } from "../../../src/core/refusal.ts";
import { readFetchPayload, readSubscribePayload } from "../../../src/service/event-payloads.ts";

const utf8 = new TextEncoder();

/** The decoded payload, or the field of the refusal. */
function read(reader: (bytes: Uint8Array) => unknown, payload: string | Uint8Array): unknown {
  try {
    return reader(typeof payload === "string" ? utf8.encode(payload) : payload);
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== "PAYLOAD_INVALID") throw error;
    return error.metadata["field"];
  }
}

/** Payloads that neither message type accepts, and the field that the refusal names. */
const REFUSED: readonly (readonly [payload: string | Uint8Array, field: string])[] = [
  ["null", "payload"],
  ["[]", "payload"],
  ["0", "payload"],
  ['"e-1"', "payload"],
  ["{", "payload"],
  ["{} {}", "payload"],
  [" ", "payload"],
  ["\ufeff{}", "payload"],
  [Uint8Array.from([0x7b, 0xff, 0x7d]), "payload"],
  [Uint8Array.from([0]), "payload"],
  ['{"resume_after":null}', "resume_after"],
  ['{"resume_after":""}', "resume_after"],
  ['{"resume_after":1}', "resume_after"],
  ['{"resume_after":["e-1"]}', "resume_after"],
  ['{"resume_after":"a b"}', "resume_after"],
  ['{"resume_after":"é"}', "resume_after"],
  [`{"resume_after":"${"x".repeat(129)}"}`, "resume_after"],
  ['{"resume_after":"e-1","resume_after":"e-2"}', "resume_after"],
  ['{"resumeAfter":"e-1"}', "resumeAfter"],
  ['{"resume_after":"e-1","user_id":"u-2"}', "user_id"],
  ['{"__proto__":{"wait_ms":0}}', "__proto__"],
  ['{"toString":0}', "toString"],
];

describe.each([
  ["gateway.subscribe", readSubscribePayload],
  ["gateway.fetch", readFetchPayload],
])("the payload of %s", (_name, reader) => {
  test.each(REFUSED)("%p is PAYLOAD_INVALID, field %s", (payload, field) => {
    expect(read(reader, payload)).toBe(field);
  });

  test("may be empty, and may have an event id of up to 128 visible characters", () => {
    expect(read(reader, "")).toMatchObject({ resumeAfter: undefined });
    for (const id of ["x", "~".repeat(128), "!\\u0022".repeat(2)])
      expect(read(reader, `{"resume_after":"${id}"}`)).toMatchObject({ resumeAfter: JSON.parse(`"${id}"`) });
  });
});

describe("the payload of gateway.subscribe", () => {
  test("has resume_after if it is not empty, and nothing else", () => {
    expect(read(readSubscribePayload, "{}")).toBe("resume_after");
    expect(read(readSubscribePayload, '{"resume_after":"e-1","wait_ms":0}')).toBe("wait_ms");
  });
});

describe("the payload of gateway.fetch", () => {
  const DEFAULTS = { resumeAfter: undefined, waitMs: 25_000, eventsMax: 100 };

  test.each(["", "{}"])("%p means the defaults", (payload) => {
    expect(read(readFetchPayload, payload)).toEqual(DEFAULTS);
  });

  test.each([
    ['{"wait_ms":0}', { waitMs: 0 }],
    ['{"wait_ms":25000}', { waitMs: 25_000 }],
    ['{"wait_ms":2.5e4}', { waitMs: 25_000 }],
    ['{"events_max":1}', { eventsMax: 1 }],
    ['{"events_max":1000,"wait_ms":1,"resume_after":"e"}', { eventsMax: 1000, waitMs: 1, resumeAfter: "e" }],
  ])("%s is accepted", (payload, expected) => {
    expect(read(readFetchPayload, payload)).toEqual({ ...DEFAULTS, ...expected });
  });

  const NO_NUMBERS = ["-1", "0.5", "1e400", "-1e400", '"1"', "null", "true", "[1]", "{}", "9007199254740993"];
  test.each([...NO_NUMBERS, "25001", "25000.5"])("wait_ms %s is PAYLOAD_INVALID", (value) => {
    expect(read(readFetchPayload, `{"wait_ms":${value}}`)).toBe("wait_ms");
  });

  test.each([...NO_NUMBERS, "0", "1001"])("events_max %s is PAYLOAD_INVALID", (value) => {
    expect(read(readFetchPayload, `{"events_max":${value}}`)).toBe("events_max");
  });

  test.each(["wait_ms", "events_max"])("%s twice is PAYLOAD_INVALID", (name) => {
    expect(read(readFetchPayload, `{"${name}":1,"${name}":1}`)).toBe(name);
  });
});
