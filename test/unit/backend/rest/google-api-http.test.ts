import { describe, expect, test } from "bun:test";
import { routeRequest } from "../../../../src/backend/rest/route-request.ts";
import { RouteTable } from "../../../../src/backend/rest/route-table.ts";
import { routes } from "../../../../src/config/routes.ts";
import { Refusal } from "../../../../src/core/refusal.ts";

/** The rules and the examples of google/api/http.proto, from the payload to the HTTP request. */

type Rule = { readonly body?: string } & { readonly [verb in "get" | "put" | "post" | "patch" | "delete"]?: string };

function request(rule: Rule, payload: object | string) {
  const decoded = routes.decode([{ message_type: "a.b", ...rule }]);
  if (!decoded.ok) throw new Error(decoded.problems.join("; "));
  const route = new RouteTable(decoded.value).find("a.b");
  if (route === undefined) throw new Error("no route");
  const bytes = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  const { target, body } = routeRequest(route, bytes);
  return [route.method, target, body === undefined ? undefined : Buffer.from(body).toString()];
}

function refusedField(rule: Rule, payload: object): string | undefined {
  try {
    request(rule, payload);
  } catch (thrown) {
    if (thrown instanceof Refusal) return thrown.metadata["field"];
    throw thrown;
  }
  return undefined;
}

describe("the documented examples", () => {
  test("a variable with a pattern takes several segments", () => {
    expect(request({ get: "/v1/{name=messages/*}" }, { name: "messages/123456" })).toEqual([
      "GET",
      "/v1/messages/123456",
      undefined,
    ]);
  });

  test("fields that the path does not use are the query, and nested fields have dots", () => {
    const payload = { message_id: "123456", revision: 2, sub: { subfield: "foo" } };
    expect(request({ get: "/v1/messages/{message_id}" }, payload)).toEqual([
      "GET",
      "/v1/messages/123456?revision=2&sub.subfield=foo",
      undefined,
    ]);
  });

  test("a field as the body", () => {
    const payload = { message_id: "123456", message: { text: "Hi!" } };
    expect(request({ patch: "/v1/messages/{message_id}", body: "message" }, payload)).toEqual([
      "PATCH",
      "/v1/messages/123456",
      '{"text":"Hi!"}',
    ]);
  });

  test("every field that the path does not use is the body", () => {
    const payload = { message_id: "123456", text: "Hi!" };
    expect(request({ patch: "/v1/messages/{message_id}", body: "*" }, payload)).toEqual([
      "PATCH",
      "/v1/messages/123456",
      '{"text":"Hi!"}',
    ]);
  });

  test("two variables", () => {
    expect(request({ get: "/v1/users/{user_id}/messages/{message_id}" }, { user_id: "me", message_id: "123456" })).toEqual([
      "GET",
      "/v1/users/me/messages/123456",
      undefined,
    ]);
  });
});

describe("the rules of the mapping", () => {
  test("repeated fields are repeated parameters, also nested ones", () => {
    const payload = { a: ["1", 2, true], filter: { tag: ["x", "y"], deep: { at: 1 } } };
    expect(request({ get: "/v1/x" }, payload)[1]).toBe("/v1/x?a=1&a=2&a=true&filter.tag=x&filter.tag=y&filter.deep.at=1");
  });

  test("a repeated message is refused, because it has no form in a query", () => {
    expect(refusedField({ get: "/v1/x" }, { filter: { items: [{ a: 1 }] } })).toBe("filter.items");
    expect(refusedField({ delete: "/v1/x" }, { items: [{ a: 1 }] })).toBe("items");
  });

  test("two fields that give one parameter are refused", () => {
    expect(refusedField({ get: "/v1/x" }, { "a.b": 1, a: { b: 2 } })).toBe("a.b");
    expect(refusedField({ get: "/v1/{a.b}" }, { "a.b": "other", a: { b: "mine" } })).toBe("a.b");
  });

  test("a nested variable leaves the rest of its message in the body or the query", () => {
    const payload = '{"book":{"id":7, "title" : "T","n":1.0},"x":1}';
    expect(request({ put: "/v1/books/{book.id}", body: "*" }, payload)).toEqual([
      "PUT",
      "/v1/books/7",
      '{"book":{"title":"T","n":1.0},"x":1}',
    ]);
    expect(request({ get: "/v1/books/{book.id}" }, payload)[1]).toBe("/v1/books/7?book.title=T&book.n=1.0&x=1");
    expect(refusedField({ get: "/v1/books/{book.id}" }, { book: 7 })).toBe("book.id");
    expect(refusedField({ get: "/v1/books/{book.id}" }, { "book.id": 7 })).toBe("book.id");
  });

  test("with a field as the body, the others are the query", () => {
    const payload = { parent: "p", book: [1], validate_only: true };
    expect(request({ post: "/v1/{parent}/books", body: "book" }, payload)).toEqual([
      "POST",
      "/v1/p/books?validate_only=true",
      "[1]",
    ]);
    expect(refusedField({ post: "/v1/{parent}/books", body: "book" }, { parent: "p" })).toBe("book");
  });

  test("without a body, a POST sends every other field in the query", () => {
    expect(request({ post: "/v1/jobs/{id}:run" }, { id: "7", force: true })).toEqual([
      "POST",
      "/v1/jobs/7:run?force=true",
      undefined,
    ]);
  });

  test("a single segment is encoded except for unreserved characters", () => {
    const [, target] = request({ get: "/v1/{id}" }, { id: "-_.~09azAZ!$&'()*+,;=:@ é" });
    expect(target).toBe("/v1/-_.~09azAZ%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%20%C3%A9");
  });

  test("a multi-segment value keeps its slashes; each segment is encoded", () => {
    expect(request({ get: "/v1/{path=files/**}" }, { path: "files/a b/ü/c" })[1]).toBe("/v1/files/a%20b/%C3%BC/c");
    expect(request({ get: "/v1/{path=files/**}" }, { path: "files" })[1]).toBe("/v1/files");
    expect(request({ post: "/v1/{name=shelves/*/books/*}:merge", body: "*" }, { name: "shelves/1/books/2" })).toEqual([
      "POST",
      "/v1/shelves/1/books/2:merge",
      "{}",
    ]);
  });

  test.each([
    "",
    "shelves",
    "shelves/1",
    "shelves/1/books",
    "shelves/1/books/",
    "shelves/1/books/2/3",
    "other/1/books/2",
    "/shelves/1/books/2",
  ])("a value that does not match its pattern is refused: %s", (name) => {
    expect(refusedField({ get: "/v1/{name=shelves/*/books/*}" }, { name })).toBe("name");
  });
});

describe("no value leaves its template", () => {
  const escapes = [
    ...[
      ".",
      "..",
      " ..",
      ".. ",
      "..;",
      "..;x=1",
      ".;",
      "%2e%2e",
      "%2E",
      "%252e",
      "%u002e",
      "%2f",
      "\\",
      "..\\x",
      "\u0000",
      "\n",
      "\u0085",
    ],
    ...["\u2025", "\uff0e\uff0e", "\uff0f", "a\uff0fb", "\uff3c", "\ufe52", "\u2100"],
  ];
  test.each(escapes.map((each) => [JSON.stringify(each), each]))("%s is refused in one segment and in several", (_, value) => {
    expect(refusedField({ get: "/v1/{id}/x" }, { id: value })).toBe("id");
    expect(refusedField({ get: "/v1/{path=**}" }, { path: `a/${value}/b` })).toBe("path");
    expect(refusedField({ get: "/v1/{path=**}" }, { path: value })).toBe("path");
  });

  test.each(["", "/", "a//b", "/a", "a/"])("a multi-segment value with an empty segment is refused: %s", (path) => {
    expect(refusedField({ get: "/v1/{path=**}" }, { path })).toBe("path");
  });

  test("a slash leaves a single segment, so it is refused", () => {
    expect(refusedField({ get: "/v1/{id}/x" }, { id: "a/b" })).toBe("id");
  });
});
