import { expect, test } from "bun:test";
import { type RouteRequest, routeRequest } from "../../../../src/backend/rest/route-request.ts";
import { type RouteEntry, RouteTable } from "../../../../src/backend/rest/route-table.ts";
import { Refusal } from "../../../../src/core/refusal.ts";

function request(method: RouteEntry["method"], path: string, payload: string | Uint8Array): RouteRequest {
  const route = new RouteTable([{ message_type: "a.b", method, path }]).find("a.b");
  if (route === undefined) throw new Error("no route");
  return routeRequest(route, Buffer.from(payload));
}

function refusedField(method: RouteEntry["method"], path: string, payload: string | Uint8Array): string | undefined {
  try {
    request(method, path, payload);
  } catch (thrown) {
    if (thrown instanceof Refusal && thrown.reason === "PAYLOAD_INVALID") return thrown.metadata["field"];
    throw thrown;
  }
  return undefined;
}

test("without placeholders the body is the payload, byte for byte", () => {
  const payload = '{ "b": 1.0, "a": "\\u00e9", "c": [-0, 1E400, 12345678901234567890] }\n';
  const { target, body } = request("POST", "/api/v1/user/x", payload);
  expect(target).toBe("/api/v1/user/x");
  expect(Buffer.from(body ?? "").toString()).toBe(payload);
});

test("fields used by the path are not sent in the body; the other fields keep their JSON text", () => {
  const payload = '{"text": "a\\"},b", "id": 12345678901234567890, "room_id":"lobby","deep":{"a":[1, "]}"]} , "f":1.0e2}';
  expect(request("POST", "/rooms/{room_id}/messages", payload)).toEqual({
    target: "/rooms/lobby/messages",
    body: '{"text":"a\\"},b","id":12345678901234567890,"deep":{"a":[1, "]}"]},"f":1.0e2}',
  });
});

test("a field name with escapes matches its placeholder", () => {
  expect(request("PATCH", "/rooms/{room_id}", '{"room\\u005fid":"lobby","a":1}')).toEqual({
    target: "/rooms/lobby",
    body: '{"a":1}',
  });
});

test("GET and DELETE send the other fields as the query", () => {
  const payload = '{"id":"7","q":"a&b=c d","n":12345678901234567890,"on":true,"none":null,"tag":["x","y/z",3,false]}';
  for (const method of ["GET", "DELETE"] as const) {
    expect(request(method, "/things/{id}", payload)).toEqual({
      target: "/things/7?q=a%26b%3Dc%20d&n=12345678901234567890&on=true&tag=x&tag=y%2Fz&tag=3&tag=false",
      body: undefined,
    });
  }
});

test("numbers keep their text in the query, in query lists and in the path", () => {
  const numbers = [
    "0.12345678901234567890",
    "12345678901234567890",
    "-0",
    "0.0",
    "1E400",
    "1e-400",
    "1.0",
    "100e-2",
    "-9007199254740993",
  ];
  for (const number of numbers) {
    expect(request("GET", "/things", `{"a":${number}}`).target).toBe(`/things?a=${number}`);
    expect(request("GET", "/things", `{"a":[1, ${number} ,2]}`).target).toBe(`/things?a=1&a=${number}&a=2`);
    expect(request("DELETE", "/things/{a}", `{"a":${number}}`).target).toBe(`/things/${number}`);
    expect(request("POST", "/things/{a}", `{"a":${number},"b":[${number}]}`)).toEqual({
      target: `/things/${number}`,
      body: `{"b":[${number}]}`,
    });
  }
  expect(request("GET", "/things", '{"a":[1e+2]}').target).toBe("/things?a=1e%2B2");
});

test("an empty payload counts as an empty object", () => {
  expect(request("GET", "/things", "")).toEqual({ target: "/things", body: undefined });
  expect(request("POST", "/things", "")).toEqual({ target: "/things", body: "{}" });
  expect(refusedField("POST", "/things/{id}", "")).toBe("id");
});

test("a value that cannot be in a query is refused with its field's name", () => {
  expect(refusedField("GET", "/things", '{"a":{"b":1}}')).toBe("a");
  expect(refusedField("GET", "/things", '{"a":[["b"]]}')).toBe("a");
  expect(refusedField("GET", "/things", '{"a":[null]}')).toBe("a");
  expect(refusedField("GET", "/things", '{"a":"\\ud800"}')).toBe("a");
  expect(refusedField("GET", "/things", '{"\\ud800":1}')).toBe("\ufffd");
  expect(refusedField("GET", "/things", '{"a":["\\ud800"]}')).toBe("a");
  expect(refusedField("GET", "/things", `{"a":"${"x".repeat(9000)}"}`)).toBe("payload");
});

test("a route that needs fields refuses a payload that is not a JSON object in UTF-8", () => {
  const bad = ["[]", '"a"', "1", "null", "{", "{}{}", '{"a":1,}', "\ufeff{}", "[".repeat(250_000)];
  for (const payload of bad) expect(refusedField("GET", "/things", payload)).toBe("payload");
  expect(refusedField("GET", "/things", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe("payload");
});

test("a duplicate field is refused, because the backend could read the other value", () => {
  expect(refusedField("POST", "/rooms/{room_id}", '{"room_id":"mine","room_id":"yours"}')).toBe("room_id");
  expect(refusedField("POST", "/rooms/{room_id}", '{"room_id":"mine","room\\u005fid":"yours"}')).toBe("room_id");
});

/** With these methods and no placeholders the payload is the body, unchanged. It must still be JSON. */
const BODY_METHODS = ["POST", "PUT", "PATCH"] as const;

test.each(BODY_METHODS)("%s without placeholders: a payload that is not JSON in UTF-8 is refused", (method) => {
  const bad = [
    "not json",
    " ",
    "{",
    "{}{}",
    '{"a":1,}',
    "{'a':1}",
    "\ufeff{}",
    "{}\u0000",
    '"\u0000"',
    "01",
    "1.",
    "NaN",
    "nul",
  ];
  for (const payload of [...bad, "[".repeat(250_000), '{"a":'.repeat(50_000)]) {
    expect(refusedField(method, "/things", payload)).toBe("payload");
  }
  for (const bytes of [
    [0xff, 0xfe],
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0xaf, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xe2, 0x82],
  ]) {
    expect(refusedField(method, "/things", new Uint8Array(bytes))).toBe("payload");
  }
});

test.each(BODY_METHODS)("%s without placeholders: JSON that parsers read differently is refused at any depth", (method) => {
  expect(refusedField(method, "/things", '{"amount":1,"amount":1000}')).toBe("amount");
  expect(refusedField(method, "/things", '{"amount":1,"amo\\u0075nt":1000}')).toBe("amount");
  expect(refusedField(method, "/things", '{"order":[{"amount":1,"to":"a","amount":1000}]}')).toBe("amount");
  expect(refusedField(method, "/things/{id}", '{"id":1,"order":{"amount":1,"amount":1000}}')).toBe("amount");
  expect(refusedField(method, "/things", '{"a":{"b":["\\ud800"]}}')).toBe("a");
  expect(refusedField(method, "/things", '{"\\ud800":1,"\\ud801":1}')).toBe("\ufffd");
  expect(refusedField(method, "/things", '"\\udc00"')).toBe("payload");
});

test.each(BODY_METHODS)("%s without placeholders: any JSON is sent byte for byte", (method) => {
  for (const payload of [
    "[1,[2]]",
    '"a"',
    "0",
    "null",
    '{"a":{"a":{"a":1}}}',
    '{"a":"\\ud83d\\ude00\\u0000"}',
    ' {"é":"\u2028"} ',
  ]) {
    expect(Buffer.from(request(method, "/things", payload).body ?? "").toString()).toBe(payload);
  }
});

test("a deeply nested payload does not overflow the stack", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(request("POST", "/rooms/{room_id}", `{"room_id":"a","deep":${deep}}`).body).toBe(`{"deep":${deep}}`);
});

test("two routes for one message type throw a TypeError at start", () => {
  const entry: RouteEntry = { message_type: "a.b", method: "GET", path: "/a" };
  expect(() => new RouteTable([entry, entry])).toThrow("a.b: has two routes");
});

test("a compiled route has the budget and timeout of its entry", () => {
  const table = new RouteTable([
    { message_type: "a.b", method: "GET", path: "/a", timeout_ms: 7, budget: { rate: 2, burst: 3 } },
  ]);
  expect(table.find("a.b")).toMatchObject({ timeoutMs: 7, budget: { ratePerSecond: 2, burst: 3 } });
  expect(table.find("a.c")).toBeUndefined();
});
