import { afterEach, beforeEach, expect, test } from "bun:test";
import { logIn } from "../../support/cli/log-in.ts";
import { Shell } from "../../support/cli/shell.ts";
import { RunningClock } from "../../support/running-clock.ts";
import { openWorld, type World } from "../../support/world.ts";

/** A computer whose clock is wrong, seen from the command line. The gateway's clock is moved instead. */

const MINUTE_MS = 60_000;
let shell: Shell;
let world: World | undefined;

beforeEach(() => {
  shell = new Shell();
});
afterEach(async () => {
  shell.close();
  await world?.close();
});

async function logInAt(offsetMs: number): Promise<void> {
  world = await openWorld({}, { clock: new RunningClock(offsetMs) });
  await logIn(shell, { edgeUrl: world.gateway.edgeUrl, backendUrl: world.backend.restUrl }, "ada@example.com");
}

test.each([10, -10])("a clock that is %d minutes off: call works, and whoami shows by how much", async (minutes) => {
  await logInAt(minutes * MINUTE_MS);
  const { code, out } = await shell.run("sallyport call user.profile.get");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ email: "ada@example.com" });
  const { clock_offset_ms: offsetMs } = JSON.parse((await shell.run("sallyport whoami")).out);
  expect(Math.abs(offsetMs + minutes * MINUTE_MS)).toBeLessThan(MINUTE_MS / 6);
});

test("a clock that is two days off: refused, with the advice to set it", async () => {
  await logInAt(48 * 60 * MINUTE_MS);
  const { code, out, err } = await shell.run("sallyport call user.profile.get");
  expect({ code, out }).toEqual({ code: 4, out: "" });
  expect(err).toContain("TIMESTAMP_OUT_OF_WINDOW");
  expect(err).toContain("set the clock of this computer");
});
