import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { SERVE_RULES } from "../../../src/config/rules.ts";
import { unusedSetting } from "../../../src/config/rules-push.ts";

/** The rules between the settings of the push sources: each violation is one line that names the settings and what to do. */

const TOKEN = "t".repeat(32);
const KEY = `keys.current=${Buffer.alloc(32, 1).toString("base64")}`;
const loadWith = (...settings: string[]) =>
  loadConfig({
    env: {},
    argv: ["backend.url=http://b.example", KEY, ...settings].flatMap((setting) => ["--set", setting]),
    rules: SERVE_RULES,
  });

describe("one problem, with advice", () => {
  const cases: readonly (readonly [name: string, expected: RegExp, ...settings: string[]])[] = [
    ["http without a token", /push\.source is http without push\.token.*openssl rand/, "push.source=http"],
    ["feed without a URL", /push\.url: missing.*without events: --set push\.source=http and a push\.token/, "push.source=feed"],
    ["redis without a URL", /push\.source is redis without push\.redis\.url and stores\.redis\.url/, "push.source=redis"],
    [
      "a feed URL with redis",
      /push\.url is given, but push\.source is redis, expected push\.source = feed/,
      ...["push.source=redis", "push.redis.url=redis://r", "push.url=http://p"],
    ],
    [
      "a feed URL with http",
      /push\.url is given, but push\.source is http/,
      ...["push.source=http", `push.token=${TOKEN}`, "push.url=http://p"],
    ],
    ["a token with feed", /push\.token is given, but push\.source is feed/, "push.url=http://p", `push.token=${TOKEN}`],
    ["a token file with feed", /push\.token_file is given/, "push.url=http://p", "push.token_file=/t"],
    ["a log with feed", /push\.log_file is given/, "push.url=http://p", "push.log_file=/l"],
    ["a stream URL with feed", /push\.redis\.url is given/, "push.url=http://p", "push.redis.url=redis://r"],
    ["two tokens", /are both given/, "push.source=http", `push.token=${TOKEN}`, "push.token_file=/t"],
    [
      "the port of the edge",
      /push\.listen and edge\.listen both listen on port 8080/,
      ...["push.source=http", `push.token=${TOKEN}`, "push.listen=127.0.0.1:8080"],
    ],
  ];
  test.each(cases)("%s", (_, expected, ...settings) => {
    expect(() => loadWith(...settings)).toThrow(/a problem:/);
    expect(() => loadWith(...settings)).toThrow(expected);
  });
});

test("a short token is refused, and not shown", () => {
  expect(() => loadWith("push.source=http", "push.token=hunter2")).toThrow("push.token");
  expect(() => loadWith("push.source=http", "push.token=hunter2")).not.toThrow("hunter2");
});

test("a checkpoint file is no error with any source, because the systemd unit sets it for all; without feed it is unused", () => {
  const file = "history.checkpoint_file=/c";
  const feed = loadWith("push.url=http://p", file);
  const http = loadWith("push.source=http", `push.token=${TOKEN}`, file);
  const redis = loadWith("push.source=redis", "push.redis.url=redis://r", file);
  expect([feed, http, redis].map((config) => unusedSetting(config)?.source)).toEqual([undefined, "http", "redis"]);
  expect(unusedSetting(loadWith("push.source=http", `push.token=${TOKEN}`))).toBeUndefined();
});

test("each source loads with what it needs; the port of a listener that is not opened may be taken", () => {
  loadWith("push.url=http://p", "push.listen=127.0.0.1:8080");
  loadWith("push.source=http", `push.token=${TOKEN}`);
  loadWith("push.source=http", "push.token_file=/t", "push.log_file=/l");
  loadWith("push.source=redis", "push.redis.url=redis://r", "push.listen=127.0.0.1:8080");
  loadWith("push.source=redis", "stores.redis.url=redis://r", `push.token=${TOKEN}`);
});
