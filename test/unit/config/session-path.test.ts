import { expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

function problemsOf(path: string): readonly string[] {
  try {
    loadConfig({ env: {}, argv: ["--set", `backend.session_path=${path}`] });
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems : [String(error)];
  }
}

const EXPECTED =
  "backend.session_path (flag --set): got a text that is not shown, expected a path with the segment {device_session_id} once, such as /sessions/{device_session_id}; the path ";

test("backend.session_path takes a path with {device_session_id} as one segment", () => {
  for (const path of ["/sessions/{device_session_id}", "/internal/{device_session_id}/session", "/{device_session_id}"]) {
    expect(problemsOf(path)).toEqual([]);
  }
});

test("any other path is refused at the start, with the reason", () => {
  const variables = "must have {device_session_id}, and no other variable";
  const cases = {
    "/sessions": variables,
    "/sessions/{id}": variables,
    "/tenants/{tenant}/{device_session_id}": variables,
    "/{device_session_id}/{device_session_id}": "a {variable} occurs twice",
    "sessions/{device_session_id}": 'must start with "/"',
    "https://backend/{device_session_id}": 'must start with "/"',
  };
  for (const [path, reason] of Object.entries(cases)) expect(problemsOf(path)).toEqual([EXPECTED + reason]);
  expect(problemsOf("/sessions?id={device_session_id}")[0]).toEndWith(
    '; the path must not contain "?", because a path has no query',
  );
  for (const path of ["/s/ds-{device_session_id}", "/a/../{device_session_id}"]) {
    expect(problemsOf(path)[0]).toMatch(/; the path segment \d is neither plain/);
  }
});
