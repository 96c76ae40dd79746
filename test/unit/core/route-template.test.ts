import { describe, expect, test } from "bun:test";
import { parseTemplate } from "../../../src/core/route-template.ts";

/** The grammar of google.api.http: what it allows, and what each problem says. */

describe("templates that the grammar allows", () => {
  const accepted = [
    "/v1/messages/{message_id}",
    "/v1/{name=messages/*}",
    "/v1/{name=shelves/*/books/*}",
    "/v1/{name=projects/*/topics/**}",
    "/v1/{message.id}/parts/{message.part.number}",
    "/v1/{path=**}",
    "/v1/{name=**}:undelete",
    "/v1/rooms/{room_id}:archive",
    "/v1/rooms:search",
    "/v1/items/",
    "/v1/items/{id}/",
    "/v1/a:b/c",
    "/v1/$batch/a+b,c;d=e@f!('g')",
  ];
  test.each(accepted)("%s", (path) => {
    expect(() => parseTemplate(path)).not.toThrow();
  });

  test("a variable without a pattern matches one segment, and the verb is no part of the last segment", () => {
    expect(parseTemplate("/v1/rooms/{room_id}:archive")).toEqual({
      parts: [{ text: "v1" }, { text: "rooms" }, { field: ["room_id"], pattern: ["*"] }],
      verb: "archive",
    });
    expect(parseTemplate("/v1/{a.b=x/*/**}")).toEqual({
      parts: [{ text: "v1" }, { field: ["a", "b"], pattern: [{ text: "x" }, "*", "**"] }],
      verb: undefined,
    });
  });
});

describe("templates that the grammar refuses", () => {
  test.each([
    ["v1/x", "must start with"],
    ["/", "segment 1 of the path is empty"],
    ["/v1//x", "segment 2 of the path is empty"],
    ["/v1/x//", "segment 3 of the path is empty"],
    ["/v1/./x", "segment 2 of the path is neither"],
    ["/v1/../x", "segment 2 of the path is neither"],
    ["/v1/..;a/x", "segment 2 of the path is neither"],
    ["/v1/%2e%2e/x", "segment 2 of the path is neither"],
    ["/v1/a b", "segment 2 of the path is neither"],
    ["/v1/x?y=1", 'the path contains "?", expected no query'],
    ["/v1/x#y", "segment 2 of the path is neither"],
    ["/v1/a*", "segment 2 of the path is neither"],
    ["/v1/a\\b", "segment 2 of the path is neither"],
    ["/v1/é", "segment 2 of the path is neither"],
    ["/v1/*", "expected a variable such as {name=*}"],
    ["/v1/**", "expected a variable such as {name=**}"],
    ["/v1/{id}x", "segment 2 of the path is neither"],
    ["/v1/x{id}", "segment 2 of the path is neither"],
    ["/v1/{id", "segment 2 of the path is neither"],
    ["/v1/id}", "segment 2 of the path is neither"],
    ["/v1/{}", "does not name a field"],
    ["/v1/{a.}", "does not name a field"],
    ["/v1/{1a}", "does not name a field"],
    ["/v1/{a-b}", "does not name a field"],
    ["/v1/{a=}", "is empty"],
    ["/v1/{a=b//c}", "is empty"],
    ["/v1/{a=../b}", "is neither"],
    ["/v1/{a={b}}", "contains another variable"],
    ["/v1/{a=**}/x", '"**" must be the last segment'],
    ["/v1/{a=**/x}", '"**" must be the last segment'],
    ["/v1/{a=**}/{b}", '"**" must be the last segment'],
    ["/v1/{a}/{a}", "{a} occurs twice"],
    ["/v1/{a}/{a.b}", "name a field and a part of that field"],
    ["/v1/{a.b.c}/{a.b}", "name a field and a part of that field"],
    ["/v1/x:", "is not a verb"],
    ["/v1/x/:verb", "a verb cannot follow a slash; a variable is written {name}"],
    [`/v1/${"x".repeat(1024)}`, "longer than 1024"],
  ])("%s", (path, problem) => {
    expect(() => parseTemplate(path)).toThrow(problem);
  });
});
