import { beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { typeErrors } from "../../support/type-errors.ts";

/** Runs the type checker on calls with right and wrong names of metrics. */

const DECLARATIONS = `
import type { Metrics } from "${join(import.meta.dir, "../../../src/core/telemetry.ts")}";
declare const metrics: Metrics;
`;

const RIGHT = [
  'metrics.count("sallyport_refusals_total");',
  'metrics.gauge("sallyport_streams", 1);',
  'metrics.observe("sallyport_backend_seconds", 1);',
];

const WRONG: [wrong: string, call: string][] = [
  ["a misspelt name", 'metrics.count("sallyport_refusal_total");'],
  ["a gauge that is counted", 'metrics.count("sallyport_streams");'],
  ["a counter that is set", 'metrics.gauge("sallyport_refusals_total", 1);'],
  ["a gauge that is observed", 'metrics.observe("sallyport_streams", 1);'],
];

/** "Argument of type … is not assignable to parameter of type …" */
const WRONG_ARGUMENT = "TS2345";

let errors: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  errors = await typeErrors(DECLARATIONS, [...RIGHT, ...WRONG.map(([, call]) => call)]);
});

test("names of the table compile", () => {
  expect(errors.get("")).toBeUndefined();
  for (const call of RIGHT) expect([call, errors.get(call)]).toEqual([call, undefined]);
});

test.each(WRONG)("%s does not compile", (_, call) => {
  expect(errors.get(call)).toEqual([WRONG_ARGUMENT]);
});
