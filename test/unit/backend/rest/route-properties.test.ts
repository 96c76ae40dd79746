import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { RestBackend } from "../../../../src/backend/rest/rest-backend.ts";
import { RouteTable } from "../../../../src/backend/rest/route-table.ts";
import type { RouteConfig } from "../../../../src/config/route-config.ts";
import { routes } from "../../../../src/config/routes.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { NO_CLIENT_HEADERS } from "../../../support/no-client-headers.ts";
import { bind, type Message, type ReceivedRequest } from "../../../support/reference-binding.ts";
import { upstreamAt } from "../../../support/upstreams.ts";
import { RecordingMetrics } from "../support/recorders.ts";

/**
 * Properties of the mapping, over real HTTP: what the gateway builds from a payload, a server that follows google.api.http reads
 * back as the same payload; and no payload makes a call outside of its template.
 */

const RUNS = Number(process.env["SALLYPORT_ROUTE_RUNS"] ?? 400);

let received: ReceivedRequest | undefined;
let server: Bun.TCPSocketListener<undefined>;
let url: string;

/** Records the request line as it was sent. An HTTP library would normalise the target. */
beforeAll(() => {
  const heads = new WeakMap<object, string>();
  server = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, data) {
        const text = (heads.get(socket) ?? "") + Buffer.from(data).toString();
        const [head = "", ...rest] = text.split("\r\n\r\n");
        const body = rest.join("\r\n\r\n");
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (!text.includes("\r\n\r\n") || Buffer.byteLength(body) < length) return void heads.set(socket, text);
        heads.delete(socket);
        const [method = "", target = ""] = head.split(" ");
        received = { method, target, body };
        socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
      },
    },
  });
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop(true));

/** Sends a payload through a route. Returns the request that the server got, or the name of the refused field. */
async function send(route: RouteConfig, payload: unknown): Promise<ReceivedRequest | string> {
  received = undefined;
  const upstreams = upstreamAt(url);
  const rest = new RestBackend({
    ...{ upstreams, routes: new RouteTable([route]), timeoutMs: 5000, responseBytesMax: 1024, clock: systemClock },
    ...{ metrics: new RecordingMetrics(), trace: () => ({ traceparent: "00-0-0-00", tracestate: undefined }) },
  });
  try {
    await rest.route(route.message_type)?.execute(
      {
        ...{ messageType: route.message_type, requestId: "r-1", idempotencyKey: "", deviceSessionId: "s-1", userId: "u-1" },
        ...{ payloadBytes: Buffer.from(JSON.stringify(payload)), peerAddress: "127.0.0.1" },
        ...NO_CLIENT_HEADERS,
      },
      new AbortController().signal,
      () => {},
    );
  } catch (thrown) {
    if (thrown instanceof Refusal && thrown.reason === "PAYLOAD_INVALID") return thrown.metadata["field"] ?? "";
    throw thrown;
  } finally {
    upstreams.close();
  }
  if (received === undefined) throw new Error("no request arrived");
  return received;
}

function routeOf(written: object): RouteConfig {
  const decoded = routes.decode([{ message_type: "a.b", ...written }]);
  const [route] = decoded.ok ? decoded.value : [];
  if (route === undefined) throw new Error(JSON.stringify(decoded));
  return route;
}

const name = fc.constantFrom("id", "room", "name", "parent", "item", "x_1");
const literal = fc.constantFrom("v1", "rooms", "a.b", "x-y", "~z", "a:b");
/** A value that stays one segment. */
const segment = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter(
    (text) =>
      /^[^/\\%\p{Cc}]+$/u.test(text.normalize("NFKC")) &&
      !/^\s*\.{1,2}\s*(;|$)/.test(text.normalize("NFKC")) &&
      text.isWellFormed(),
  );
/** A value of the query or of a path. */
const scalar = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => text.isWellFormed()),
  fc.integer(),
  fc.boolean(),
);

interface Variable {
  readonly text: string;
  readonly field: string;
  readonly value: unknown;
}

function variables(): fc.Arbitrary<Variable[]> {
  const plain = segment.map((value) => ({ text: "", value }));
  const patterned = fc
    .tuple(segment, segment)
    .map(([a, b]) => ({ text: "=shelves/*/books/*", value: `shelves/${a}/books/${b}` }));
  const field = fc.oneof(
    name,
    fc.tuple(name, name).map(([a, b]) => `${a}_obj.${b}`),
  );
  return fc
    .uniqueArray(fc.tuple(field, fc.oneof(plain, patterned)), { maxLength: 3, selector: ([each]) => each })
    .map((all) => all.map(([field, { text, value }]) => ({ text: `{${field}${text}}`, field, value })));
}

const written = fc.record({
  literals: fc.array(literal, { minLength: 1, maxLength: 3 }),
  variables: variables(),
  deep: fc.option(fc.array(segment, { minLength: 1, maxLength: 3 }), { nil: undefined }),
  verb: fc.option(fc.constantFrom("archive", "run-now"), { nil: undefined }),
  verbName: fc.constantFrom("post" as const, "put" as const, "patch" as const, "delete" as const, "get" as const),
  binding: fc.constantFrom("*", "payload", undefined),
  query: fc.dictionary(
    fc.constantFrom("q", "page", "tag", "é key"),
    fc.oneof(scalar, fc.array(scalar, { minLength: 2, maxLength: 3 })),
    { maxKeys: 3 },
  ),
  nested: fc.dictionary(
    fc.constantFrom("a", "b"),
    fc.oneof(scalar, fc.dictionary(fc.constantFrom("c"), scalar, { minKeys: 1 })),
    { minKeys: 1 },
  ),
  json: fc.jsonValue({ maxDepth: 3 }),
});

test("what the gateway builds, a server of google.api.http reads back as the same payload", async () => {
  const run = async (each: typeof written extends fc.Arbitrary<infer T> ? T : never) => {
    const deep = each.deep === undefined ? [] : ["{deep=files/**}"];
    const body = each.verbName === "get" ? undefined : each.binding;
    const path = `/${[...each.literals, ...each.variables.map(({ text }) => text), ...deep].join("/")}${each.verb ? `:${each.verb}` : ""}`;
    const payload: Message = { ...each.query, nested: each.nested };
    if (body === "*") payload["json"] = each.json;
    if (body === "payload") payload["payload"] = each.json;
    for (const { field, value } of each.variables) put(payload, field, value);
    if (each.deep !== undefined) payload["deep"] = ["files", ...each.deep].join("/");
    const sent = await send(routeOf({ [each.verbName]: path, ...(body && { body }) }), payload);
    if (typeof sent === "string") throw new Error(`${sent} was refused`);
    const expected = body === "*" ? payload : asTexts(payload, body);
    expect(bind(path, body, sent)).toEqual(JSON.parse(JSON.stringify(expected)));
    expect(sent.method).toBe(each.verbName.toUpperCase());
  };
  await fc.assert(fc.asyncProperty(written, run), { numRuns: RUNS });
});

function put(message: Message, field: string, value: unknown): void {
  const [outer = "", inner] = field.split(".");
  if (inner === undefined) message[outer] = value;
  else message[outer] = { ...(message[outer] as Message), [inner]: value };
}

/** Values of path and query arrive as texts; the body keeps its JSON. */
function asTexts(value: unknown, untouched?: string): unknown {
  if (Array.isArray(value)) return value.map((each) => asTexts(each));
  if (typeof value !== "object" || value === null) return String(value);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, name === untouched ? each : asTexts(each)]));
}

const PIECES = [
  "..",
  ".",
  "/",
  "\\",
  "%2e",
  "%2f",
  "%252f",
  "%5c",
  ";",
  "?",
  "#",
  ":",
  "\u0000",
  "\n",
  " ",
  "\u2025",
  "\uff0e",
  "\uff0f",
  "a",
  "é",
  "%",
  "@",
  "*",
];
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "binary", maxLength: 12 }),
);

test("no value leaves its template, even at a server that decodes twice, trims, and converts look-alikes", async () => {
  const one = routeOf({ get: "/api/v1/user/rooms/{id}/messages" });
  const many = routeOf({ get: "/api/v1/user/{path=files/**}" });
  const run = async (value: string) => {
    const single = await send(one, { id: value });
    if (typeof single !== "string") {
      const segments = sloppySegments(single.target);
      expect([...segments.slice(0, 4), ...segments.slice(5)]).toEqual(["api", "v1", "user", "rooms", "messages"]);
    } else expect(single).toBe("id");
    const several = await send(many, { path: `files/${value}` });
    if (typeof several !== "string") expect(sloppySegments(several.target).slice(0, 4)).toEqual(["api", "v1", "user", "files"]);
    else expect(several).toBe("path");
  };
  await fc.assert(fc.asyncProperty(hostile, run), { numRuns: RUNS });
});

/** The path as a careless server reads it: decodes twice, converts look-alikes, cuts parameters, trims, resolves dot segments. */
function sloppySegments(target: string): string[] {
  const decode = (text: string) =>
    text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll("%", ""), "hex").toString());
  const path = decode(decode(target)).normalize("NFKC").replaceAll("\\", "/");
  const segments: string[] = [];
  for (const raw of path.split("/").slice(1)) {
    const segment = raw.split(";", 1)[0]?.trim() ?? "";
    if (segment === "..") segments.pop();
    else if (segment !== ".") segments.push(segment);
  }
  return segments;
}
