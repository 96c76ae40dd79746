import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problem.ts";
import { routes } from "../../src/config/routes.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** The limits of single routes. */

const PATH = "/api/v1/user/small";
const SCHEMA = { schema_document: { $ref: "#/$defs/s0", $defs: { s0: false } } };
const small = { message_type: "notes.small", post: PATH, body: "*", payload_bytes_max: 20, response_bytes_max: 10 };
const large = { message_type: "notes.large", post: PATH, body: "*" };

let world: World;
beforeAll(async () => {
  const decoded = routes.decode([small, large]);
  const [first, ...rest] = decoded.ok ? decoded.value : [];
  // The schema refuses everything: only the size can be refused before it.
  const strict = { ...(first ?? expect.unreachable()), ...SCHEMA, message_type: "notes.strict" };
  world = await openWorld({ routes: [first ?? expect.unreachable(), strict, ...rest] });
});
afterAll(() => world.close());

describe.each(VARIANTS)("$name", (variant) => {
  /** Sends a command, and returns its payload or its refusal. */
  const send = async (type: string, payload: string) => {
    const { signer } = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    try {
      const { payloadBytes } = await client.executeCommand(await signer.sign(type, Buffer.from(payload)));
      return new TextDecoder().decode(payloadBytes);
    } catch (error) {
      const { reason, metadata } = refusalOf(error) ?? {};
      return { reason, metadata };
    }
  };
  const sized = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;

  test("a payload above the limit of its route is refused before it is read, and the backend is not called", async () => {
    world.faults.on(PATH, () => Response.json({}));
    const tooLarge = { reason: "REQUEST_TOO_LARGE" as const, metadata: { limit_bytes: "20" } };
    const calls = world.faults.calls(PATH);
    expect(await send("notes.small", sized(21))).toEqual(tooLarge);
    expect(await send("notes.small", "x".repeat(21))).toEqual(tooLarge);
    expect(await send("notes.strict", sized(21))).toEqual(tooLarge);
    expect(await send("notes.strict", sized(20))).toMatchObject({ reason: "PAYLOAD_INVALID" });
    expect(world.faults.calls(PATH)).toBe(calls);
    expect(await send("notes.small", sized(20))).toBe("{}");
    expect(await send("notes.large", sized(21))).toBe("{}");
  });

  test("an answer above the limit of its route is refused, with Content-Length and without", async () => {
    for (const chunked of [false, true]) {
      const answer = (bytes: number) => {
        const text = sized(bytes);
        const stream = new ReadableStream({
          pull(controller) {
            controller.enqueue(Buffer.from(text));
            controller.close();
          },
        });
        return new Response(chunked ? stream : text, { headers: { "content-type": "application/json" } });
      };
      world.faults.on(PATH, () => answer(11));
      expect(await send("notes.small", "{}")).toMatchObject({ reason: "BACKEND_BAD_RESPONSE" });
      expect(await send("notes.large", "{}")).toBe(sized(11));
      world.faults.on(PATH, () => answer(10));
      expect(await send("notes.small", "{}")).toBe(sized(10));
    }
  });
});

describe("limits that contradict others are refused with message type and line", () => {
  const call = "message_type = 'a.b'\npost = '/api/v1/user/x'\n";
  const problemOf = (text: string) => {
    try {
      loadConfig({ env: {}, argv: ["--config", "g.toml"], readFile: () => text });
      return "";
    } catch (error) {
      return error instanceof ConfigError ? error.problems.join("\n") : String(error);
    }
  };
  test.each([
    [
      "",
      "payload_bytes_max = 300000",
      "routes[0].payload_bytes_max (g.toml:4): a.b: got 300000, expected at most limits.payload_bytes_max (262144)",
    ],
    [
      "[backend]\nresponse_bytes_max = 2000\n",
      "response_bytes_max = 2001",
      "routes[0].response_bytes_max (g.toml:6): a.b: got 2001, expected at most backend.response_bytes_max (2000)",
    ],
    ["", "retries_max = 1", "routes[0].retries_max (g.toml:4): a.b: a POST is not repeated without keep_answer_ms"],
    ["", "retries_max = 6", "routes[0].retries_max (g.toml:4): a.b: got 6"],
    ["", "payload_bytes_max = 0", "routes[0].payload_bytes_max (g.toml:4): a.b: got 0"],
    ["", "retries_max = 0", ""],
    ["", "retries_max = 2\nkeep_answer_ms = 1000", ""],
  ])("%s%s", (before, setting, problem) => {
    expect(problemOf(`${before}[[routes]]\n${call}${setting}\n`)).toStartWith(problem);
    if (problem === "") expect(problemOf(`${before}[[routes]]\n${call}${setting}\n`)).toBe("");
  });
});
