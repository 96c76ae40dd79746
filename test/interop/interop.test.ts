import { describe, test } from "bun:test";
import { clientSuite } from "./clients.suite.ts";
import { feedSuite, quietFeedSuite } from "./feed.suite.ts";
import { toolSuite } from "./tools.suite.ts";

/** Needs the toolchains of other languages, and the network for the first time: not for everybody's `bun run test`. */
if (process.env.INTEROP === "1") {
  // Quiet while the others run.
  const isStillUp = quietFeedSuite();
  describe("clients of other languages", clientSuite);
  describe("tools of the field", toolSuite);
  describe("a push feed on grpc-go", feedSuite);
  isStillUp();
} else {
  test.skip("clients of other languages, and tools (skipped: set INTEROP=1 to run; needs Go 1.26 and Python 3.10, or newer)", () => {});
}
