import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:http2";
import { AllListeners } from "../../support/all-listeners.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { until } from "../../support/until.ts";

/** RFC 9110 9 and 10.1.1: every method is answered, and a client with Expect: 100-continue gets 100. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SEND_CODES = LOGIN_PATHS.map(({ SEND }) => SEND);
const JWKS = "/.well-known/jwks.json";

const all = new AllListeners();
beforeAll(() => all.open(), 30_000);
afterAll(() => all.close());

const KNOWN = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "QUERY", "M-SEARCH", "LINK"];
const UNKNOWN = ["FOO", "get", "Get", "post", "Post", "G-T", "PRI", "POSTPOST"];

/** Bun.serve closes the connection for an unknown method, before it calls the gateway (bun#6556; a documented limit). */
const closesConnection = ({ name, version }: { name: string; version: string }) =>
  version === "HTTP/1.1" && name.startsWith("edge");

describe.each(all.entryPoints)("$name", (way) => {
  const isGrpcListener = way.name.startsWith("gRPC listener");

  test("a standard method that the path does not accept: 405", async () => {
    for (const method of [...KNOWN, "GET"]) {
      const answer = await way.send({ method, path: EXECUTE });
      expect([method, answer?.status, answer?.headers["allow"]]).toEqual([method, 405, "POST"]);
    }
    if (isGrpcListener) return;
    for (const method of KNOWN) {
      for (const path of SEND_CODES) {
        const answer = await way.send({ method, path });
        expect([method, answer?.status, answer?.headers["allow"]]).toEqual([method, 405, "POST"]);
      }
      expect([method, (await way.send({ method, path: JWKS }))?.status]).toEqual([method, 405]);
      expect([method, (await way.send({ method, path: "/nothing" }))?.status]).toEqual([method, 404]);
    }
  });

  test(`an unknown method${closesConnection(way) ? ": Bun closes the connection (a documented limit; remove it from the documentation if this test fails)" : ": 405 or 501"}`, async () => {
    for (const method of UNKNOWN) {
      for (const path of isGrpcListener ? [EXECUTE] : [EXECUTE, ...SEND_CODES, JWKS]) {
        const status = (await way.send({ method, path, headers: { "content-type": "application/json" }, body: "{}" }))?.status;
        if (closesConnection(way)) expect([method, status]).toEqual([method, undefined]);
        else expect([method, path, status === 405 ? 501 : status]).toEqual([method, path, 501]);
      }
    }
  });
});

describe.each(all.entryPoints.filter(({ version }) => version === "HTTP/2"))("$name", ({ name, url }) => {
  test.each(name.startsWith("gRPC listener") ? [EXECUTE] : [EXECUTE, ...SEND_CODES])(
    "Expect: 100-continue on %s is answered with 100 before the body",
    async (path) => {
      const connection = connect(url(), { rejectUnauthorized: false });
      connection.on("error", () => {});
      const fields = { ":method": "POST", ":path": path, "content-type": "application/json", expect: "100-continue" };
      const stream = connection.request(fields, { endStream: false });
      const statuses: number[] = [];
      let received = "";
      stream.on("headers", (headers) => statuses.push(Number(headers[":status"])));
      stream.on("response", (headers) => statuses.push(Number(headers[":status"])));
      stream.on("data", (chunk: Buffer) => {
        received += chunk.toString();
      });
      await until(() => statuses.length > 0, "100 Continue");
      expect(statuses).toEqual([100]);
      stream.end("{}");
      await new Promise((resolve) => stream.once("close", resolve));
      expect(statuses).toEqual([100, 400]);
      expect(received).toContain(path === EXECUTE ? "MALFORMED_ENVELOPE" : "invalid_request");
      connection.destroy();
    },
  );
});
