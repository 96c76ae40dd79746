import { afterAll, expect, spyOn, test } from "bun:test";
import project from "../../../package.json" with { type: "json" };
import { run } from "../../../src/cli/version.ts";

const out = spyOn(console, "log").mockImplementation(() => {});
const err = spyOn(console, "error").mockImplementation(() => {});

afterAll(() => {
  out.mockRestore();
  err.mockRestore();
});

test("name, version and Bun version are printed", async () => {
  expect(await run([])).toBe(0);
  expect(out.mock.calls).toEqual([[`sallyport ${project.version} (commit unknown, Bun ${Bun.version})`]]);
});

test("an argument is refused with code 2 and one line", async () => {
  expect(await run(["--verbose"])).toBe(2);
  expect(err.mock.calls).toEqual([["sallyport version: unexpected argument; the command takes no arguments"]]);
});
