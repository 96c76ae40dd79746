import { expect, test } from "bun:test";
import fc from "fast-check";
import { PayloadSchema } from "../../../src/schema/payload-schema.ts";
import { SchemaFiles } from "../../../src/schema/schema-files.ts";

/** `multipleOf` compares the decimals that people write, such as prices, and not the doubles that stand for them. */

function isValid(multipleOf: string, json: string): boolean {
  const files = new SchemaFiles({ baseUri: undefined, readFile: () => `{"multipleOf":${multipleOf}}` });
  const violation = PayloadSchema.of(files.read("schema.json")).violationOf(json);
  if (violation !== undefined) expect(violation).toEqual({ pointer: "", keyword: "multipleOf" });
  return violation === undefined;
}

test.each([
  [
    "0.01",
    ["19.99", "0.29", "4.35", "1.10", "-19.99", "0", "-0.0", "1e2", "1e300", '"text"', "null"],
    ["0.295", "1e-3", "19.999"],
  ],
  [
    "1",
    ["1e20", "1e21", "123456789012345678901234", "-1e308", "1.0", "9007199254740993"],
    ["0.5", "1e-7", "1.0000000000000002"],
  ],
  ["1e0", ["7"], ["7.5"]],
  ["0.5", ["1e21", "1e308", "-2.5"], ["0.25"]],
  ["2", ["4e21", "4", "-2"], ["3", "1e-300", "9007199254740991"]],
  ["10", ["1e23", "1e22"], ["15"]],
  ["0.1", ["0.3", "0.7", "1.1", "1e21"], ["0.35"]],
  ["0.0001", ["0.0075"], ["0.00751"]],
  ["1e-8", ["12391239123"], ["1e-9"]],
  ["0.123456789", ["0.246913578"], ["1e308"]],
  ["5e-324", ["5e-324", "1.7976931348623157e308"], []],
  ["1e308", ["1e308", "0"], ["5e-324", "1e307"]],
] satisfies [string, string[], string[]][])("multiples of %s", (multipleOf, valid, invalid) => {
  expect(valid.filter((json) => !isValid(multipleOf, json))).toEqual([]);
  expect(invalid.filter((json) => isValid(multipleOf, json))).toEqual([]);
});

test("a decimal with a few digits is a multiple exactly if its digits are", () => {
  const digits = fc.integer({ min: -1e14, max: 1e14 });
  fc.assert(
    fc.property(digits, fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 0, max: 8 }), (value, divisor, places) => {
      const isMultiple = isValid(`${divisor}e-${places}`, `${value}e-${places}`);
      return isMultiple === (BigInt(value) % BigInt(divisor) === 0n);
    }),
  );
});
