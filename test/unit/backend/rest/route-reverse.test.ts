import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { routeRequest } from "../../../../src/backend/rest/route-request.ts";
import { RouteTable } from "../../../../src/backend/rest/route-table.ts";
import { routes } from "../../../../src/config/routes.ts";
import { bind } from "../../../support/reference-binding.ts";

/** The mapping from the other side: a request that a server of google.api.http understands, and the payload that it stands for. */

const RUNS = Number(process.env["SALLYPORT_ROUTE_RUNS"] ?? 400);

function compiled(written: object) {
  const decoded = routes.decode([{ message_type: "a.b", ...written }]);
  if (!decoded.ok) throw new Error(decoded.problems.map(({ text }) => text).join("; "));
  return new RouteTable(decoded.value).find("a.b") ?? expect.unreachable();
}

/** A path segment in the canonical encoding of google.api.http. */
const segment = fc
  .string({ unit: fc.constantFrom(..."abcXYZ019-_.~ é+&=:@,!'()*"), minLength: 1, maxLength: 8 })
  .filter((text) => !/^\s*\.{1,2}\s*$/.test(text))
  .map(encoded);
const parameter = fc.tuple(
  fc.constantFrom("q", "page", "filter.tag", "filter.deep.at"),
  fc.array(
    fc.string({ unit: "grapheme", maxLength: 8 }).filter((text) => text.isWellFormed()),
    { minLength: 1, maxLength: 3 },
  ),
);
const request = fc.record({
  room: segment,
  deep: fc.array(segment, { minLength: 1, maxLength: 3 }),
  query: fc.uniqueArray(parameter, { selector: ([name]) => name, maxLength: 4 }),
  content: fc.json({ maxDepth: 3 }),
});

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

function queryOf(parameters: readonly (readonly [string, readonly string[]])[]): string {
  const pairs = parameters.flatMap(([name, values]) => values.map((value) => `${name}=${encodeURIComponent(value)}`));
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

const PATHS = ["/v1/rooms/{room.id}/{path=files/**}", "/v1/{room.id=rooms/*}/{path=files/**}"];

test.each(PATHS)("the payload of a request gives the same request again: %s", (path) => {
  const get = compiled({ get: `/api/v1/user${path}` });
  const put = compiled({ put: `/api/v1/user${path}`, body: "content" });
  const run = (each: typeof request extends fc.Arbitrary<infer T> ? T : never) => {
    // Parameters of one object stand together, as the gateway writes them.
    const sorted = each.query.toSorted(([a], [b]) => (a < b ? -1 : 1));
    const target = ["/api/v1/user/v1/rooms", each.room, "files", ...each.deep].join("/") + queryOf(sorted);
    for (const [route, binding, body] of [
      [get, undefined, ""],
      [put, "content", each.content],
    ] as const) {
      const payload = bind(`/api/v1/user${path}`, binding, { method: route.method, target, body });
      const sent = routeRequest(route, Buffer.from(JSON.stringify(payload)));
      expect(pathOf(sent.target)).toBe(pathOf(target));
      expect(parametersOf(sent.target)).toEqual(parametersOf(target));
      expect(sent.body === undefined ? undefined : JSON.parse(sent.body.toString())).toEqual(binding && JSON.parse(body));
    }
  };
  fc.assert(fc.property(request, run), { numRuns: RUNS });
});

function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? "";
}

/** The values of each parameter, in order. The order between parameters has no meaning. */
function parametersOf(target: string): Record<string, string[]> {
  const { searchParams } = new URL(target, "http://x");
  return Object.fromEntries([...new Set(searchParams.keys())].map((name) => [name, searchParams.getAll(name)]));
}

describe("the grammar of templates, as the comments of google/api/http.proto write it", () => {
  test.each([
    "/v1/messages/{message_id}",
    "/v1/{name=messages/*}",
    "/v1/users/{user_id}/messages/{message_id}",
    "/v1/messages/{message_id}/{sub.subfield}",
    "/v1/{name=**}",
    "/v1/{parent=projects/*}/books:batchGet",
    "/v1/{var=*}",
    "/v1/{name=shelves/*/books/**}",
    "/v1:custom",
  ])("accepted: %s", (path) => {
    expect(compiled({ get: `/api/v1/user${path}` }).method).toBe("GET");
  });

  test.each([
    ["v1/x", "a path that does not start with a slash"],
    ["/v1//x", "an empty segment"],
    ["/v1/{name", "a variable without an end"],
    ["/v1/name}", "an end without a variable"],
    ["/v1/{}", "a variable without a name"],
    ["/v1/{a..b}", "an empty part of a name"],
    ["/v1/{1a}", "a name that starts with a digit"],
    ["/v1/{a=}", "an empty pattern"],
    ["/v1/{a=/x}", "a pattern that starts with a slash"],
    ["/v1/{a=x/}", "a pattern that ends in a slash"],
    ["/v1/{a=x/{b}}", "a variable in a variable"],
    ["/v1/{a=**}/x", "** before the last segment"],
    ["/v1/{a=**/x}", "** before the end of a pattern"],
    ["/v1/{a}/{a}", "a variable that occurs twice"],
    ["/v1/{a}/{a.b}", "a field and a part of it"],
    ["/v1/x:", "an empty verb"],
    ["/v1/x{a}", "a variable beside text"],
    ["/v1/a*b", "a wildcard beside text"],
    ["/v1/../x", "a dot segment"],
    ["/v1/%2e%2e", "a percent escape"],
    ["/v1/x?y=1", "a query"],
    ["/v1/x#y", "a fragment"],
  ])("refused: %s, %s", (path) => {
    const decoded = routes.decode([{ message_type: "a.b", get: path.startsWith("/") ? `/api/v1/user${path}` : path }]);
    expect(decoded.ok ? [] : decoded.problems).toMatchObject([{ at: [0, "get"] }]);
  });
});
