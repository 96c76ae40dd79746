import { expect, test } from "bun:test";
import { ShedReport } from "../../../../src/transport/limits/shed-report.ts";
import { until } from "../../../support/until.ts";

test("each closed connection is counted; the first is logged immediately, later ones per interval with the top network", async () => {
  const lines: string[] = [];
  const counted: string[] = [];
  const { shed } = new ShedReport({
    log: {
      debug() {},
      info() {},
      error() {},
      warn: (_message, fields) =>
        void lines.push(`${fields?.["closed"]} closed, ${fields?.["top_network_closed"]} of ${fields?.["top_network"]}`),
    },
    metrics: { gauge() {}, observe() {}, count: (name, labels) => void counted.push(`${name} ${labels?.["bound"]}`) },
    intervalMs: 50,
  });
  shed("192.0.2.1", "network");
  expect(lines).toEqual(["1 closed, 1 of 192.0.2.1"]);
  for (let n = 0; n < 5; n++) shed("192.0.2.1", "network");
  for (let n = 0; n < 3; n++) shed(undefined, "total");
  expect(lines).toHaveLength(1);
  await until(() => lines.length > 1, "the second line");
  expect(lines[1]).toBe("8 closed, 5 of 192.0.2.1");
  expect(counted.filter((each) => each === "sallyport_connections_cut_total network")).toHaveLength(6);
  expect(counted.filter((each) => each === "sallyport_connections_cut_total total")).toHaveLength(3);
});
