import { expect, test } from "bun:test";
import { createLog } from "../../../src/observe/log.ts";

test("common fields are on every line until they are replaced, and a line's own field takes precedence", async () => {
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "json",
    fields: { worker: 1, pid: 7 },
    write: (batch) => void lines.push(batch),
  });
  log.info("plain");
  log.warn("own", { worker: 2, ms: 3 });
  log.setFields(undefined);
  log.info("after");
  await log.flush();
  const logged = lines.join("").trim().split("\n");
  expect(logged.map((line) => line.slice(line.indexOf(',"level"')))).toEqual([
    ',"level":"info","msg":"plain","worker":1,"pid":7}',
    ',"level":"warn","msg":"own","worker":2,"pid":7,"ms":3}',
    ',"level":"info","msg":"after"}',
  ]);
});
