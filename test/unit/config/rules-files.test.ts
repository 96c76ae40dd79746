import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { CONFIG_KEYS } from "../../../src/config/schema.ts";

/** A file that the gateway writes is the file of no other setting. */

function load(settings: Readonly<Record<string, string>>): void {
  const rest = { "push.source": "feed", "push.log_file": "" };
  const all = Object.entries({ ...rest, ...settings });
  loadConfig({ env: {}, argv: all.flatMap(([key, value]) => ["--set", `${key}=${value}`]) });
}

const HTTP = { "push.source": "http", "push.token": "0123456789abcdef0123456789abcdef" };

describe("the shared file must not be the file of", () => {
  const others = CONFIG_KEYS.filter((key) => key.endsWith("_file") && key !== "stores.shared_file");
  test.each([...others, "dev.database"])("%s", (key) => {
    const same = { "stores.shared_file": "/run/sallyport/../sallyport/x", [key]: "/run/sallyport/x" };
    expect(() => load({ ...(key === "push.log_file" && HTTP), ...same })).toThrow(
      `stores.shared_file and ${key} name the same file`,
    );
  });
});

test.each([
  [{ "history.checkpoint_file": "/k", "keys.current_file": "/k.next" }, "history.checkpoint_file and keys.current_file"],
  [{ ...HTTP, "push.log_file": "/k", "keys.next_file": "/k.1" }, "push.log_file and keys.next_file"],
  [{ ...HTTP, "push.log_file": "/k", "stores.shared_file": "/k.lock" }, "stores.shared_file and push.log_file"],
  [{ "dev.database": "/k", "stores.shared_file": "/k-wal" }, "stores.shared_file and dev.database"],
])("the files beside a written file count too: %o", (settings, keys) => {
  expect(() => load(settings)).toThrow(`${keys} name the same file`);
});

test("files that the gateway only reads may be the same, and so may a checkpoint that is not used", () => {
  load({ "keys.current_file": "/k", "keys.next_file": "/k" });
  load({ ...HTTP, "history.checkpoint_file": "/k", "keys.current_file": "/k" });
});
