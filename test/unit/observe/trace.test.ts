import { expect, test } from "bun:test";
import { continueTraces, parseTraceparent, type RandomBytes } from "../../../src/observe/trace.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

/** A random source that returns the bytes 1, 2, 3, … */
function countingBytes(): RandomBytes {
  let next = 1;
  return (bytes) => bytes.map((_, at) => (bytes[at] = next++ & 0xff));
}

function traceparents(random?: RandomBytes): (incoming?: string) => string {
  const next = continueTraces(random);
  return (traceparent) => next({ traceparent, tracestate: undefined }).traceparent;
}

test("a valid traceparent is parsed, also of a later version", () => {
  const context = { traceId: TRACE, parentId: SPAN, sampled: true };
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual(context);
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...context, sampled: false });
  expect(parseTraceparent(`cc-${TRACE}-${SPAN}-03-what-comes-later`)).toEqual(context);
});

test("an invalid traceparent is rejected", () => {
  const bad = [
    "",
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01\n`,
    ` 00-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `ff-${TRACE}-${SPAN}-01`,
    `cc-${TRACE}-${SPAN}-01.x`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `01-${TRACE}-${SPAN}-01-${"x".repeat(500)}`,
    undefined,
  ];
  expect(bad.filter((header) => parseTraceparent(header) !== undefined)).toEqual([]);
});

test("a client's trace is continued with its trace id and sampling decision, and a new span", () => {
  const traceparent = traceparents(countingBytes());
  expect(traceparent(`00-${TRACE}-${SPAN}-01`)).toBe(`00-${TRACE}-0102030405060708-01`);
  expect(traceparent(`01-${TRACE}-${SPAN}-02-x`)).toBe(`00-${TRACE}-090a0b0c0d0e0f10-00`);
});

test("without a valid traceparent, each call starts a new sampled trace", () => {
  const traceparent = traceparents(countingBytes());
  expect(traceparent()).toBe("00-0102030405060708090a0b0c0d0e0f10-1112131415161718-01");
  const random = traceparents();
  const made = Array.from({ length: 1000 }, () => random("garbage"));
  expect(new Set(made).size).toBe(1000);
  expect(made.filter((header) => parseTraceparent(header) === undefined)).toEqual([]);
});

test("a random source of zeros still results in a valid traceparent", () => {
  expect(parseTraceparent(traceparents((bytes) => bytes.fill(0))())).toBeDefined();
});
