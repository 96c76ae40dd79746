import { describe, test } from "bun:test";
import { clientSuite } from "./clients.suite.ts";
import { exampleSuite } from "./examples.suite.ts";
import { feedSuite, quietFeedSuite } from "./feed.suite.ts";
import { openApiSuite } from "./openapi.suite.ts";
import { pythonBackendSuite } from "./python-backend.suite.ts";
import { toolSuite } from "./tools.suite.ts";
import { vectorSuite } from "./vectors.suite.ts";

/** Skipped by default: it needs the toolchains of other languages, and the network at the first run. */
if (process.env["INTEROP"] === "1") {
  // The quiet time of three minutes passes while the other suites run.
  const endQuietFeedSuite = quietFeedSuite();
  describe("clients in other languages", clientSuite);
  describe("gRPC and Connect tools", toolSuite);
  describe("a push feed on grpc-go", feedSuite);
  describe("golden vectors in other languages", vectorSuite);
  describe("the example backend in Python", pythonBackendSuite);
  describe("services behind the gateway", exampleSuite);
  describe("an imported OpenAPI document", openApiSuite);
  endQuietFeedSuite();
} else {
  test.skip("clients in other languages and gRPC tools (skipped: set INTEROP=1 to run; needs Go 1.26, Node.js 20, PHP 8.2 and Python 3.11, or newer)", () => {});
}
