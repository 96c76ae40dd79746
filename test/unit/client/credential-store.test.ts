import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyStoreError, memoryStore } from "../../../src/client/credential-store.ts";
import { type DeviceKey, generateExportableDeviceKey, type KeyAlgorithm } from "../../../src/client/device-key.ts";
import { fileStore } from "../../../src/client/file-store.ts";
import { generateDeviceKey } from "../../../src/client/webcrypto-key.ts";
import { failureOf } from "./test-client.ts";

const MESSAGE = new Uint8Array([1, 2, 3]);
const PARAMETERS = {
  EdDSA: { key: "Ed25519", signature: "Ed25519" },
  ES256: { key: { name: "ECDSA", namedCurve: "P-256" }, signature: { name: "ECDSA", hash: "SHA-256" } },
} as const;

async function verifierOf(algorithm: KeyAlgorithm, publicKey: Uint8Array) {
  const { key, signature } = PARAMETERS[algorithm];
  const imported = await crypto.subtle.importKey("raw", new Uint8Array(publicKey), key, false, ["verify"]);
  return (signed: Uint8Array) => crypto.subtle.verify(signature, imported, new Uint8Array(signed), MESSAGE);
}

const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8);
const credentials = async () => ({ deviceSessionId: "ds-1", deviceKey: await generateExportableDeviceKey() });

test("the memory store gives back what it was given, until it is cleared", async () => {
  const store = memoryStore();
  expect(await store.load()).toBeUndefined();
  const saved = await credentials();
  await store.save(saved);
  expect(await store.load()).toEqual(saved);
  await store.clear();
  expect(await store.load()).toBeUndefined();
});

describe("the file store", () => {
  let folder = "";
  let file = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
    file = join(folder, "private", "session.json");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function expectUnsafe(why: string): Promise<void> {
    const store = fileStore(file);
    for (const call of [() => store.load(), async () => store.save(await credentials())]) {
      const error = await failureOf(call());
      expect(error).toBeInstanceOf(KeyStoreError);
      expect(error).toMatchObject({ code: "store_unsafe" });
      expect(String(error)).toContain(why);
    }
  }

  test("gives the same key and session back after a restart, from a file of mode 600 in a folder of mode 700", async () => {
    expect(await fileStore(file).load()).toBeUndefined();
    const saved = await credentials();
    const umask = process.umask(0);
    await fileStore(file)
      .save(saved)
      .finally(() => process.umask(umask));
    expect([modeOf(file), modeOf(join(folder, "private"))]).toEqual(["600", "700"]);
    const loaded = await fileStore(file).load();
    expect(loaded?.deviceSessionId).toBe("ds-1");
    expect(await loaded?.deviceKey.sign(MESSAGE)).toEqual(await saved.deviceKey.sign(MESSAGE));
  });

  test.each(["EdDSA", "ES256"] as const)(
    "gives an exportable %s key of WebCrypto back, and can store it again",
    async (algorithm) => {
      const deviceKey = await generateDeviceKey({ algorithms: [algorithm], exportable: true });
      await fileStore(file).save({ deviceSessionId: "ds-1", deviceKey });
      const loaded = (await fileStore(file).load()) ?? expect.unreachable();
      expect(loaded.deviceKey).toMatchObject({ algorithm, publicKey: deviceKey.publicKey });
      await fileStore(file).save(loaded);
      const again = (await fileStore(file).load()) ?? expect.unreachable();
      const verify = await verifierOf(algorithm, deviceKey.publicKey);
      expect(await verify(await again.deviceKey.sign(MESSAGE))).toBe(true);
      expect(modeOf(file)).toBe("600");
    },
  );

  test("replaces the file at once, leaves no draft, and deletes it", async () => {
    const store = fileStore(file);
    await store.save(await credentials());
    const before = lstatSync(file).ino;
    await store.save({ ...(await credentials()), deviceSessionId: "ds-2" });
    expect(lstatSync(file).ino).not.toBe(before);
    expect((await store.load())?.deviceSessionId).toBe("ds-2");
    expect(readdirSync(join(folder, "private"))).toEqual(["session.json"]);
    await store.clear();
    await store.clear();
    expect(readdirSync(join(folder, "private"))).toEqual([]);
    expect(await store.load()).toBeUndefined();
  });

  test.each([0o640, 0o604, 0o620, 0o602, 0o601])("refuses a file of mode %o", async (mode) => {
    await fileStore(file).save(await credentials());
    chmodSync(file, mode);
    await expectUnsafe(`has mode ${mode.toString(8)}, expected 600`);
  });

  test("refuses a folder into which others may write", async () => {
    await fileStore(file).save(await credentials());
    for (const mode of [0o770, 0o777, 0o1777, 0o702]) {
      chmodSync(join(folder, "private"), mode);
      await expectUnsafe("others may write into it");
    }
  });

  test("refuses a symbolic link and a folder in place of the file, and does not write through the link", async () => {
    mkdirSync(join(folder, "private"), { mode: 0o700 });
    const target = join(folder, "target");
    writeFileSync(target, "untouched", { mode: 0o600 });
    symlinkSync(target, file);
    const store = fileStore(file);
    for (const call of [() => store.load(), async () => store.save(await credentials())])
      expect(await failureOf(call())).toMatchObject({ code: "store_unsafe" });
    expect(readFileSync(target, "utf8")).toBe("untouched");
    rmSync(file);
    mkdirSync(file, { mode: 0o700 });
    await expectUnsafe("is no regular file");
  });

  test("refuses what it has not written", async () => {
    await fileStore(file).save(await credentials());
    const good = readFileSync(file, "utf8");
    for (const text of [
      "",
      "{}",
      "[]",
      good.replace(/"seed": "[^"]+"/, '"seed": "AAAA"'),
      good.slice(0, -5),
      "x".repeat(99_999),
    ]) {
      writeFileSync(file, text);
      expect(await failureOf(fileStore(file).load())).toMatchObject({ name: "KeyStoreError", code: "store_damaged" });
    }
  });

  test("refuses a damaged ES256 key", async () => {
    const deviceKey = await generateDeviceKey({ algorithms: ["ES256"], exportable: true });
    await fileStore(file).save({ deviceSessionId: "ds-1", deviceKey });
    const good = readFileSync(file, "utf8");
    for (const [name, value] of [
      ["d", ""],
      ["x", "AAAA"],
      ["y", "!"],
      ["d", "A".repeat(42)],
    ]) {
      writeFileSync(file, good.replace(new RegExp(`"${name}": "[^"]+"`), `"${name}": "${value}"`));
      expect(await failureOf(fileStore(file).load())).toMatchObject({ name: "KeyStoreError", code: "store_damaged" });
    }
  });

  test("refuses a key that cannot be exported, and says which key it takes", async () => {
    const own: DeviceKey = { publicKey: new Uint8Array(32), sign: async () => new Uint8Array(64) };
    for (const deviceKey of [await generateDeviceKey(), await generateDeviceKey({ algorithms: ["ES256"] }), own]) {
      const error = await failureOf(fileStore(file).save({ deviceSessionId: "ds-1", deviceKey }));
      expect(error).toMatchObject({ code: "key_not_storable" });
      expect(String(error)).toContain("exportable: true");
    }
  });

  test("refuses a pipe in place of the file, and does not wait for its writer", async () => {
    mkdirSync(join(folder, "private"), { mode: 0o700 });
    await Bun.$`mkfifo -m 600 ${file}`.quiet();
    await expectUnsafe("is no regular file");
  });

  test("reports a folder that cannot be made", async () => {
    writeFileSync(join(folder, "private"), "");
    expect(await failureOf(fileStore(file).save(await credentials()))).toMatchObject({ name: "KeyStoreError" });
  });

  const isRoot = process.getuid?.() === 0;
  const ofOthers = "refuses a file and a folder of another user";
  test.skipIf(!isRoot)(isRoot ? ofOthers : `${ofOthers} (skipped: only root can make one)`, async () => {
    await fileStore(file).save(await credentials());
    await Bun.$`chown 1:1 ${file}`.quiet();
    await expectUnsafe("belongs to another user");
    await Bun.$`chown 0:0 ${file}`.quiet();
    await Bun.$`chown 1:1 ${join(folder, "private")}`.quiet();
    await expectUnsafe("belongs to another user");
  });
});
