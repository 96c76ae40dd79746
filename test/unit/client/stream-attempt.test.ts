import { expect, test } from "bun:test";
import { StreamAttempt } from "../../../src/client/stream-attempt.ts";
import { FakeBackend, openerOf } from "./event-source.ts";
import { ManualTiming } from "./manual-timing.ts";

test("a stream that ended in a sleep of the device does not count as working because of its age", async () => {
  const timing = new ManualTiming();
  const { opener } = openerOf(new FakeBackend(timing), [{}]);
  const attempt = new StreamAttempt(opener, timing);
  const ended = attempt.read(undefined, () => true);
  await timing.advance(11_000);
  timing.sleep(120_000);
  attempt.check();
  expect(await ended).toMatchObject({ wasLive: true, isProven: false, isTimely: false, isSilent: false });
});
