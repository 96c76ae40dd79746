import { expect, test } from "bun:test";
import { continueTraces } from "../../../src/observe/trace.ts";
import { parseTracestate } from "../../../src/observe/tracestate.ts";

test("tracestate members are kept in order, without surrounding whitespace", () => {
  const good: [string, string][] = [
    ["congo=t61rcWkgMzE", "congo=t61rcWkgMzE"],
    ["rojo=00f067aa0ba902b7, congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
    [" \tfoo=1 \t,,\t bar= 2 3 , ", "foo=1,bar= 2 3"],
    ["fw529a3039@dt=FfAAAA,0a@b=1", "fw529a3039@dt=FfAAAA,0a@b=1"],
    ["a_-*/0=!\"#$%&'()*+-./:;<>?@[]^_`{|}~", "a_-*/0=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"],
    ["foo=1,foo=2,bar=3", "foo=1,bar=3"],
    [`${"z".repeat(256)}=1`, `${"z".repeat(256)}=1`],
    [`foo=${"v".repeat(256)}`, `foo=${"v".repeat(256)}`],
    [`${"t".repeat(241)}@${"v".repeat(14)}=1`, `${"t".repeat(241)}@${"v".repeat(14)}=1`],
  ];
  for (const [header, passedOn] of good) expect([header, parseTracestate(header)]).toEqual([header, passedOn]);
  const members = Array.from({ length: 32 }, (_, at) => `k${at}=${at}`).join(",");
  expect(parseTracestate(members)).toBe(members);
});

test("an invalid tracestate is dropped entirely", () => {
  const bad = [
    ...[
      "",
      " , ",
      "foo",
      "=1",
      "foo=",
      "foo= ",
      "FOO=1",
      "foo.bar=1",
      "foo =1",
      "1a=1",
      "foo@=1",
      "@foo=1",
      "foo@@bar=1",
      "foo@bar@baz=1",
    ],
    ...["foo=a=b", "foo=1,bar", "foo=\u0000", "foo=\u00e9", "foo=1\r\nX-Admin: 1", "foo=1;bar=2\u007f"],
    ...[`${"z".repeat(257)}=1`, `foo=${"v".repeat(257)}`, `${"t".repeat(242)}@v=1`, `t@${"v".repeat(15)}=1`],
    Array.from({ length: 33 }, (_, at) => `k${at}=${at}`).join(","),
  ];
  expect(bad.filter((header) => parseTracestate(header) !== undefined)).toEqual([]);
});

test("beyond 512 characters, long members are removed first, then the oldest", () => {
  const [short, long] = [`a=${"v".repeat(98)}`, `long=${"v".repeat(200)}`];
  const others = Array.from({ length: 4 }, (_, at) => `b${at}=${"v".repeat(97)}`);
  expect(parseTracestate([short, long, ...others].join(","))).toBe([short, ...others].join(","));
  expect(parseTracestate([short, ...others, "c=1"].join(","))).toBe([short, ...others, "c=1"].join(","));
  expect(parseTracestate([short, ...others, `c=${"v".repeat(98)}`].join(","))).toBe([short, ...others].join(","));
});

test("a tracestate is propagated only with a valid traceparent, and an invalid one does not end the trace", () => {
  const next = continueTraces();
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  expect(next({ traceparent, tracestate: "a=1" }).tracestate).toBe("a=1");
  expect(next({ traceparent: undefined, tracestate: "a=1" }).tracestate).toBeUndefined();
  expect(next({ traceparent: "00-x", tracestate: "a=1" }).tracestate).toBeUndefined();
  const trace = next({ traceparent, tracestate: "A=1" });
  expect([trace.traceparent.slice(0, 36), trace.tracestate]).toEqual([traceparent.slice(0, 36), undefined]);
});
