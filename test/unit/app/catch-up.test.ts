import { expect, test } from "bun:test";
import { untilKnown } from "../../../src/app/catch-up.ts";
import type { Admission } from "../../../src/hub/admission.ts";

const ADMISSION: Admission = {
  ...{ deviceSessionId: "session-1", userId: "user-1", peerNetwork: "192.0.2.1", requestId: "request-1", mark: 0 },
  resumeAfter: "event-1",
};

test("a client that resumes waits until its event is known, and does not wait longer", async () => {
  let checks = 0;
  await untilKnown({ canResume: () => ++checks === 4 }, ADMISSION);
  expect(checks).toBe(4);
});

test("a client whose event stays unknown is served after a bounded time", async () => {
  const startedMs = performance.now();
  await untilKnown({ canResume: () => false }, ADMISSION);
  expect(performance.now() - startedMs).toBeGreaterThan(400);
});
