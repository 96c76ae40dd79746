import { expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

const KEY = "device_keys.algorithms";

function loaded(file: string): unknown {
  return loadConfig({ env: {}, argv: ["--config", "a.toml"], readFile: () => file })[KEY];
}

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("both algorithms are accepted by default", () => {
  expect(loaded("")).toEqual(["EdDSA", "ES256"]);
});

test("a file, a variable and a flag restrict the algorithms", () => {
  expect(loaded('[device_keys]\nalgorithms = ["ES256"]')).toEqual(["ES256"]);
  expect(loadConfig({ env: { SALLYPORT_DEVICE_KEYS_ALGORITHMS: "ES256, EdDSA" } })[KEY]).toEqual(["ES256", "EdDSA"]);
  expect(loadConfig({ env: {}, argv: ["--set", `${KEY}=["EdDSA"]`] })[KEY]).toEqual(["EdDSA"]);
});

test.each([
  ["[]", "", "got a list, expected a list of algorithms (1 to 2)"],
  ['"ES256"', "", 'got a text that is not shown, expected a list of algorithms (1 to 2); write a list: ["…", "…"]'],
  ['["ES256", "ES256"]', "[1]", "given twice, expected once"],
  ['["EdDSA", "ES256", "EdDSA"]', "", "got a list, expected a list of algorithms (1 to 2)"],
  ['["es256"]', "[0]", 'got a text that is not shown, expected one of EdDSA, ES256; did you mean "ES256"?'],
  ['["ES256 "]', "[0]", 'got a text that is not shown, expected one of EdDSA, ES256; did you mean "ES256"?'],
  ["[256]", "[0]", "got 256, expected one of EdDSA, ES256"],
  ["[[]]", "[0]", "got a list, expected one of EdDSA, ES256"],
])("the list %s is a problem", (list, at, problem) => {
  const problems = problemsOf(() => loaded(`[device_keys]\nalgorithms = ${list}`));
  expect(problems).toEqual([`${KEY}${at} (a.toml:2): ${problem}`]);
});

test("an empty variable is a problem: at least one algorithm is needed", () => {
  expect(problemsOf(() => loadConfig({ env: { SALLYPORT_DEVICE_KEYS_ALGORITHMS: "" } }))).toHaveLength(1);
  expect(problemsOf(() => loadConfig({ env: {}, argv: ["--set", `${KEY}=ES256,ES256`] }))).toHaveLength(1);
});
