import { expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { refusalOf } from "../../../src/client/errors.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { NO_SUITE, REMOTES_URI, remotes, requiredGroups } from "../../support/json-schema-suite.ts";
import { VARIANTS } from "../../support/variants.ts";
import { withWorld } from "../../support/world.ts";

const PATH = "/api/v1/user/checked";

/**
 * The required part of the official JSON Schema test suite (draft 2020-12): each schema is the schema of a route, each instance is
 * the payload of a command. The backend gets exactly the valid ones.
 */
// With CI, the test fails instead of being skipped.
test.skipIf(NO_SUITE !== undefined && process.env["CI"] === undefined)(
  `the official suite through routes${NO_SUITE === undefined ? "" : ` (${NO_SUITE})`}`,
  async () => {
    const groups = requiredGroups();
    const files = new Map([...remotes()]);
    const routes = groups.map(({ schema }, at) => {
      files.set(`cases/${at}.json`, JSON.stringify(schema));
      return { message_type: `suite.case_${at}`, post: PATH, body: "*", schema: `cases/${at}.json` };
    });
    files.set("gateway.json", JSON.stringify({ routes, backend: { schema_base_uri: REMOTES_URI } }));
    const readFile = (path: string) => files.get(path) ?? expect.unreachable(`there is no ${path}`);
    const loaded = loadConfig({ env: {}, argv: ["--config", "gateway.json"], readFile });
    await withWorld({ routes: loaded.routes }, async (world) => {
      world.faults.on(PATH, () => Response.json({}));
      const { signer } = await world.login();
      const client = createClient(Gateway, world.transport(VARIANTS[0] ?? expect.unreachable()));
      const wrong: string[] = [];
      let checked = 0;
      for (const [at, { name, tests }] of groups.entries()) {
        for (const { description, data, valid } of tests) {
          const calls = world.faults.calls(PATH);
          const request = await signer.sign(`suite.case_${at}`, Buffer.from(JSON.stringify(data)));
          const outcome = await client.executeCommand(request).then(
            () => "accepted",
            (error: unknown) => refusalOf(error)?.reason,
          );
          const isRight = valid
            ? outcome === "accepted" && world.faults.calls(PATH) > calls
            : outcome === "PAYLOAD_INVALID" && world.faults.calls(PATH) === calls;
          if (!isRight) wrong.push(`${name}: ${description}: ${outcome}`);
          checked++;
        }
      }
      expect(wrong).toEqual([]);
      expect(checked).toBeGreaterThan(1200);
    });
  },
  120_000,
);
