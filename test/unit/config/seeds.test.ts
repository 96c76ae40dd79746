import { expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { loadSeeds } from "../../../src/config/seeds.ts";

const loadWith = (...settings: string[]) => loadConfig({ env: {}, argv: settings.flatMap((setting) => ["--set", setting]) });

/** Bytes whose encodings in standard and URL-safe base64 differ. */
const SEED = Buffer.alloc(32, 0xfb);
const OTHER = Buffer.alloc(32, 2);

test("a seed may be standard or URL-safe base64, in a setting or in a file with a line end", () => {
  const config = loadWith(`keys.current=${SEED.toString("base64url")}`, "keys.next_file=/next");
  const seeds = loadSeeds(config, () => `${OTHER.toString("base64")}\n`);
  expect(Buffer.from(seeds.current ?? [])).toEqual(SEED);
  expect(Buffer.from(seeds.next ?? [])).toEqual(OTHER);
  expect(seeds.previous).toBeUndefined();
});

test("every invalid seed is reported with its file and error, but never with its content", () => {
  const files: Record<string, string> = { "/short": "c2hvcnQ=", "/text": "-----BEGIN PRIVATE KEY-----" };
  const config = loadWith("keys.current_file=/short", "keys.next_file=/text", "keys.previous_file=/gone");
  const read = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error("ENOENT: no such file or directory");
    return text;
  };
  expect(() => loadSeeds(config, read)).toThrow(
    [
      "the configuration has 3 problems:",
      "  - keys.current_file (/short): holds 5 bytes, expected base64 of the seed's 32 bytes; `sallyport keygen` makes one",
      "  - keys.next_file (/text): holds a PEM file, expected base64 of the seed's 32 bytes; `sallyport keygen` makes one",
      "  - keys.previous_file (/gone): cannot be read: ENOENT: no such file or directory; `sallyport keygen --out FILE` makes a key file",
    ].join("\n"),
  );
});

test("a relative path is reported as absolute, unless it may be a secret", () => {
  const problemWith = (path: string) => () => loadSeeds(loadWith(`keys.current_file=${path}`), unreadable);
  expect(problemWith("no-such.key")).toThrow(`keys.current_file (${process.cwd()}/no-such.key): cannot be read: ENOENT`);
  expect(problemWith("correct-horse")).toThrow("keys.current_file (a file whose name is not shown): cannot be read: ENOENT");
});

function unreadable(): never {
  throw new Error("ENOENT: no such file or directory");
}

test("the same seed in two roles is refused", () => {
  const config = loadWith(`keys.current=${SEED.toString("base64")}`, `keys.next=${SEED.toString("base64url")}`);
  expect(() => loadSeeds(config)).toThrow("keys.next: is the same seed as keys.current, expected a different seed; `sallyport");
  const files = loadWith(
    "keys.current_file=a.key",
    "keys.next_file=/b.key",
    `keys.previous=${Buffer.alloc(32, 9).toString("base64")}`,
  );
  expect(() => loadSeeds(files, () => SEED.toString("base64"))).toThrow(
    "keys.next_file (/b.key): is the same seed as keys.current_file (a.key), expected a different seed",
  );
});
