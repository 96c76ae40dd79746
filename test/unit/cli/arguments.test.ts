import { describe, expect, test } from "bun:test";
import { helpOf } from "../../../src/cli/arguments/help.ts";
import { parseArguments, parseDuration, UsageError } from "../../../src/cli/arguments/parse.ts";
import { isReadableByOthers, parseGatewayUrl } from "../../../src/cli/session/gateway-url.ts";
import { ALL_COMMANDS } from "../../../src/cli/specs/all.ts";
import { CALL } from "../../../src/cli/specs/call.ts";
import { LOGIN } from "../../../src/cli/specs/login.ts";

const problemOf = (args: readonly string[], spec = CALL): string => {
  try {
    parseArguments(spec, args);
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return error instanceof Error ? error.message : "";
  }
};

describe("arguments", () => {
  test("options stand before, between and after positionals, with = or a blank", () => {
    for (const args of [
      ["--timeout", "5s", "a.b", "{}", "--raw"],
      ["a.b", "--raw", "--timeout=5s", "{}"],
      ["--raw", "--timeout=5s", "--", "a.b", "{}"],
    ]) {
      const parsed = parseArguments(CALL, args);
      expect(parsed.positionals).toEqual(["a.b", "{}"]);
      expect([parsed.value("timeout"), parsed.has("raw"), parsed.has("full")]).toEqual(["5s", true, false]);
    }
  });

  test("after -- a positional may start with a dash; a single dash is a positional", () => {
    expect(parseArguments(CALL, ["a.b", "--", "-5"]).positionals).toEqual(["a.b", "-5"]);
    expect(parseArguments(CALL, ["a.b", "-"]).positionals).toEqual(["a.b", "-"]);
    expect(problemOf(["a.b", "-5"])).not.toBe("");
  });

  test("a value that starts with a dash needs =", () => {
    expect(problemOf(["--email", "--code"], LOGIN)).toBe("--email needs a value: ADDRESS");
    expect(problemOf(["--email"], LOGIN)).toBe("--email needs a value: ADDRESS");
    expect(problemOf(["--email="], LOGIN)).toBe("--email needs a value: ADDRESS");
    expect(parseArguments(LOGIN, ["--code=-1"]).value("code")).toBe("-1");
  });

  test("a repeatable option keeps its order; another one is refused twice", () => {
    expect(parseArguments(LOGIN, ["--metadata", "a=1", "--metadata=b=2"]).values("metadata")).toEqual(["a=1", "b=2"]);
    expect(problemOf(["--code", "1", "--code", "2"], LOGIN)).toBe("--code is given twice");
    expect(problemOf(["a.b", "--raw", "--raw"])).toBe("--raw is given twice");
  });

  test("a typing error gets a suggestion, and text that may be a secret is not quoted", () => {
    expect(problemOf(["a.b", "--time-out", "5s"])).toBe('--time-out is not an option (did you mean "--timeout"?)');
    for (const secret of ["--Hunter2", "--hunter2", "--x=hunter2", "-hunter2"]) {
      expect(problemOf(["a.b", secret])).not.toBe("");
      expect(problemOf(["a.b", secret])).not.toContain("unter2");
    }
    expect(problemOf(["a.b", "{}", "hunter2"])).not.toContain("hunter2");
  });

  test("names of Object.prototype are no options", () => {
    for (const name of ["--__proto__", "--constructor", "--toString", "--hasOwnProperty=1"])
      expect(problemOf(["a.b", name])).not.toBe("");
  });

  test("a missing positional is named", () => {
    expect(problemOf([])).toBe("TYPE is missing");
  });
});

test.each([
  ["5", 5000],
  ["0.5", 500],
  ["500ms", 500],
  ["1.5s", 1500],
  ["2m", 120_000],
  ["24h", 86_400_000],
])("the duration %s is %d ms", (text, ms) => {
  expect(parseDuration("timeout", text)).toBe(ms);
});

test.each(["", "0", "0s", "-1", "1e3", "5 s", "5S", "25h", "s", "١", "Infinity", "99999999999"])(
  "%p is no duration",
  (text) => {
    expect(() => parseDuration("timeout", text)).toThrow(UsageError);
  },
);

test.each([
  ["https://gateway.example", "https://gateway.example"],
  ["https://gateway.example/", "https://gateway.example"],
  ["HTTPS://Gateway.Example:8443", "https://gateway.example:8443"],
  ["http://[::1]:8080", "http://[::1]:8080"],
])("%s is a gateway's URL", (text, url) => {
  expect(parseGatewayUrl(text)).toBe(url);
});

test.each([
  ...[
    "",
    "gateway.example",
    "gateway.example:8080",
    "ftp://gateway.example",
    "file:///etc/passwd",
    "https://",
    "https:gateway.example",
  ],
  ...[
    "https://ada:pw@gateway.example",
    "https://gateway.example/v1",
    "https://gateway.example/?a",
    "https://gateway.example#a",
  ],
])("%p is no gateway's URL", (text) => {
  expect(() => parseGatewayUrl(text)).toThrow(UsageError);
});

test("http is readable by others, except on this computer", () => {
  expect(["http://gateway.example", "http://10.0.0.1:8080", "http://localhost.example"].map(isReadableByOthers)).toEqual([
    true,
    true,
    true,
  ]);
  expect(["https://gateway.example", "http://localhost:1", "http://127.0.0.2", "http://[::1]"].map(isReadableByOthers)).toEqual(
    [false, false, false, false],
  );
});

test("each option has its own name and a description that fits on its line of the help", () => {
  for (const command of ALL_COMMANDS) {
    const names = command.options.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
  for (const line of helpOf(LOGIN).split("\n")) expect(line.length).toBeLessThanOrEqual(132);
});
