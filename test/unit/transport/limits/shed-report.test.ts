import { expect, test } from "bun:test";
import { ShedReport } from "../../../../src/transport/limits/shed-report.ts";
import { until } from "../../../support/until.ts";

test("what is cut is counted one by one, and told of at once, then by and by, by who had the most cut", async () => {
  const lines: string[] = [];
  const counted: string[] = [];
  const { cut } = new ShedReport({
    log: {
      debug() {},
      info() {},
      error() {},
      warn: (_message, fields) => void lines.push(`${fields?.cut} cut, ${fields?.of_that} of ${fields?.most_of}`),
    },
    metrics: { gauge() {}, observe() {}, count: (name, labels) => void counted.push(`${name} ${labels?.bound}`) },
    intervalMs: 50,
  });
  cut("192.0.2.1", "network");
  expect(lines).toEqual(["1 cut, 1 of 192.0.2.1"]);
  for (let n = 0; n < 5; n++) cut("192.0.2.1", "network");
  for (let n = 0; n < 3; n++) cut(undefined, "total");
  expect(lines).toHaveLength(1);
  await until(() => lines.length > 1, "the second line");
  expect(lines[1]).toBe("8 cut, 5 of 192.0.2.1");
  expect(counted.filter((each) => each === "sallyport_connections_cut_total network")).toHaveLength(6);
  expect(counted.filter((each) => each === "sallyport_connections_cut_total total")).toHaveLength(3);
});
