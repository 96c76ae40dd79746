import { describe, expect, test } from "bun:test";
import { origin } from "../../../src/config/origin.ts";

/** `cors.origins` is compared with the Origin header byte by byte, so only spellings that clients send are accepted. */

describe("an origin as clients send it is accepted", () => {
  test.each([
    "*",
    "https://app.example",
    "https://app.example:8443",
    "http://localhost:5173",
    "http://127.0.0.1",
    "http://[::1]:3000",
    "https://xn--bcher-kva.example",
    "https://tauri.localhost",
    "app://",
    "app://-",
    "app://.",
    "app://bundle.id",
    "ionic://localhost",
    "capacitor://localhost",
    "tauri://localhost",
    "file://",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://a3c4e5f6-0000-4000-8000-000000000000",
    "com.example.app://localhost:8080",
  ])("%s", (raw) => expect(origin.decode(raw)).toEqual({ ok: true, value: raw }));
});

describe("another spelling is refused with advice", () => {
  test.each([
    ["https://*.example.com", "patterns are not supported"],
    ["*.example.com", "patterns are not supported"],
    ["https://*", "patterns are not supported"],
    ["https://app.example:*", "patterns are not supported"],
    ["*://app.example", "patterns are not supported"],
    ["app://*", "patterns are not supported"],
    ["**", "patterns are not supported"],
    ["^https://app\\.example$", "patterns are not supported"],
    ["https://(a|b).example", "patterns are not supported"],
    ["https://app.example;", "write each origin as a separate item"],
    ["https://app.example;https://b.example", "write each origin as a separate item"],
    ["https://app.example&b.example", "write scheme, host"],
    ["https://app.example/", 'write "https://app.example"'],
    ["https://app.example/path?q#f", 'write "https://app.example"'],
    ["https://app.example:443", 'write "https://app.example"'],
    ["http://app.example:80", 'write "http://app.example"'],
    ["HTTPS://App.Example", 'write "https://app.example"'],
    ["https://App.Example", 'write "https://app.example"'],
    ["https://bücher.example", 'write "https://xn--bcher-kva.example"'],
    ["https://ａpp.example", 'write "https://app.example"'],
    ["http://127.1", 'write "http://127.0.0.1"'],
    ["http://[0::1]:80", 'write "http://[::1]"'],
    [" https://app.example ", 'write "https://app.example"'],
    ["https://app.example.:8443/", 'write "https://app.example.:8443"'],
    ["app.example", 'write "https://app.example"'],
    ["app.example:8443", 'write "https://app.example:8443"'],
    ["//app.example", 'write "https://app.example"'],
    ["https:/app.example", 'write "https://app.example"'],
    ["wss://app.example", 'write "https://app.example"'],
    ["ws://app.example:8080", 'write "http://app.example:8080"'],
    ["Ionic://localhost", 'write "ionic://localhost"'],
    ["ionic://LocalHost", 'write "ionic://localhost"'],
    ["capacitor://localhost/", 'write "capacitor://localhost"'],
    ["https://a.example, https://b.example", "write each origin as a separate item"],
    ["https://a.example https://b.example", "write each origin as a separate item"],
    ["https://a.example,https://b.example", "write each origin as a separate item"],
    ["null", "every sandboxed page sends"],
    ["file:///index.html", 'write "file://"'],
    ["https://.example.com", "write scheme, host"],
    ["https://%2a.example.com", "write scheme, host"],
    ["https://user:hunter2@app.example", "write scheme, host"],
    ["app://user:hunter2@localhost", "write scheme, host"],
    ["redis://:hunter2@host", "write scheme, host"],
    ["ftp://files.example", "write scheme, host"],
    ["https://", "write scheme, host"],
    ["", "write scheme, host"],
  ])("%s", (raw, instead) => {
    const decoded = origin.decode(raw);
    const problem = decoded.ok ? "" : (decoded.problems[0]?.text ?? "");
    expect(problem).toContain(`; ${instead}`);
    expect(problem).not.toContain("hunter2");
    const [, written] = /write "([^"]+)"$/.exec(problem) ?? [];
    if (written !== undefined) expect(origin.decode(written)).toEqual({ ok: true, value: written });
  });

  test("a value that is not a text is refused", () => {
    for (const raw of [1, true, {}, ["https://app.example"]]) expect(origin.decode(raw).ok).toBe(false);
  });
});
