import { describe, expect, test } from "bun:test";
import type { DeviceKey } from "../../../src/client/device-key.ts";
import type { Subtle } from "../../../src/client/ed25519.ts";
import { SallyportError } from "../../../src/client/errors.ts";
import { generateDeviceKey, generateKeyBy, WebCryptoDeviceKey } from "../../../src/client/webcrypto-key.ts";
import { deviceKey, isStrictDeviceKey } from "../../../src/crypto/device-key.ts";
import { NO_ED25519 } from "./no-ed25519.ts";
import { failureOf } from "./test-client.ts";

const MESSAGE = new TextEncoder().encode("open the sally port");

/** WebCrypto without Ed25519, as in browsers before 2025. */
const ONLY_P256: Subtle = new Proxy(crypto.subtle, {
  get(subtle, name) {
    const method: unknown = Reflect.get(subtle, name);
    if (typeof method !== "function") return method;
    return (...args: unknown[]) =>
      args.includes("Ed25519")
        ? Promise.reject(new DOMException("no such curve", "NotSupportedError"))
        : Reflect.apply(method, subtle, args);
  },
});

/** The gateway's verdict on 50 signatures of the key, which have all forms that a runtime makes. */
async function expectAcceptedByGateway(key: DeviceKey): Promise<void> {
  const { algorithm = "EdDSA", publicKey } = key;
  expect(isStrictDeviceKey(algorithm, publicKey)).toBe(true);
  const verifier = deviceKey(algorithm, publicKey);
  for (let at = 0; at < 50; at++) {
    const message = new Uint8Array([...MESSAGE, at]);
    const signature = await key.sign(message);
    expect(signature).toHaveLength(64);
    expect(verifier?.verify(message, signature)).toBe(true);
    expect(verifier?.verify(MESSAGE, signature)).toBe(false);
  }
}

describe("a generated device key", () => {
  test("is Ed25519, is not extractable, and the gateway accepts its signatures", async () => {
    const key = await generateDeviceKey();
    if (!(key instanceof WebCryptoDeviceKey)) throw new Error("not a key of WebCrypto");
    expect(key).toMatchObject({ algorithm: "EdDSA", publicKey: { byteLength: 32 }, privateKey: { extractable: false } });
    for (const format of ["pkcs8", "jwk"] as const)
      expect(await failureOf(crypto.subtle.exportKey(format, key.privateKey))).toBeInstanceOf(Error);
    await expectAcceptedByGateway(key);
  });

  test("is P-256 where there is no Ed25519, and where the caller wants it", async () => {
    for (const key of [await generateKeyBy(ONLY_P256, {}), await generateDeviceKey({ algorithms: ["ES256"] })]) {
      if (!(key instanceof WebCryptoDeviceKey)) throw new Error("not a key of WebCrypto");
      expect(key).toMatchObject({ algorithm: "ES256", publicKey: { byteLength: 65 }, privateKey: { extractable: false } });
      expect(key.publicKey[0]).toBe(4);
      await expectAcceptedByGateway(key);
    }
  });

  test("is a key of @noble/ed25519 where WebCrypto has neither, or does not exist", async () => {
    for (const subtle of [NO_ED25519, null]) {
      const key = await generateKeyBy(subtle, {});
      expect(key).not.toBeInstanceOf(WebCryptoDeviceKey);
      expect(key.algorithm).toBe("EdDSA");
      await expectAcceptedByGateway(key);
    }
  });

  test("is refused where the runtime makes none of the wanted algorithms", async () => {
    const error = await failureOf(generateKeyBy(NO_ED25519, { algorithms: ["ES256"] }));
    expect(error).toBeInstanceOf(SallyportError);
    expect(error).toMatchObject({ code: "key_unsupported" });
  });

  test("is different each time", async () => {
    const keys = await Promise.all(Array.from({ length: 4 }, () => generateDeviceKey({ algorithms: ["ES256"] })));
    expect(new Set(keys.map(({ publicKey }) => publicKey.toHex())).size).toBe(4);
  });
});
