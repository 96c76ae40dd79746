import { expect, test } from "bun:test";
import { fieldsOf } from "../../../src/client/xhr-transport.ts";

test("header lines are read, and lines that Headers would refuse are ignored", () => {
  const lines = "Grpc-Status: 9\r\ngrpc-message:\t no%20way \r\nno colon\r\n: no name\r\na b: c\r\nx: \u0100\r\nempty:\r\n";
  expect(Object.fromEntries(fieldsOf(lines))).toEqual({ "grpc-status": "9", "grpc-message": "no%20way", empty: "" });
});

test("a line that makes a pattern backtrack is read in linear time", () => {
  const started = performance.now();
  expect([...fieldsOf(`x:${" ".repeat(3000)}\u0100`)]).toEqual([]);
  expect([...fieldsOf(`x:${" ".repeat(1_000_000)}a${" ".repeat(1_000_000)}\u0100`)]).toEqual([]);
  expect(performance.now() - started).toBeLessThan(1000);
});
