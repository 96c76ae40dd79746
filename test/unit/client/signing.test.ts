import { describe, expect, test } from "bun:test";
import { getPublicKeyAsync, signAsync, verifyAsync } from "@noble/ed25519";
import { type DeviceKey, generateExportableDeviceKey, importDeviceKey } from "../../../src/client/device-key.ts";
import { keyPairOf, type Subtle, verifierFor } from "../../../src/client/ed25519.ts";
import { newRequestId, RequestSigner } from "../../../src/client/request-signer.ts";
import { WebCryptoDeviceKey } from "../../../src/client/webcrypto-key.ts";
import { deviceKey as deviceVerifier } from "../../../src/crypto/device-key.ts";
import { GOLDEN, GOLDEN_ADDITIONS } from "../crypto/golden-vectors.ts";
import { NO_ED25519 } from "./no-ed25519.ts";

describe("golden vectors", () => {
  for (const [at, vector] of GOLDEN.entries()) {
    const { fields, signingInput, signature } = vector.request;

    test(`case ${at + 1}: the signed request and the device's public key match`, async () => {
      const deviceKey = await importDeviceKey(vector.deviceSeed);
      const signer = new RequestSigner({ deviceSessionId: fields.deviceSessionId, deviceKey });
      const options = { requestId: fields.requestId, timestampMs: Number(fields.timestampMs) };
      const request = await signer.sign(fields.messageType, vector.payloadBytes, options);
      expect(deviceKey.publicKey).toEqual(vector.devicePublicKey);
      expect(request).toEqual({ envelope: fields, payloadBytes: vector.payloadBytes, signature });
    });

    test(`case ${at + 1}: @noble/ed25519 and the client without WebCrypto Ed25519 make the same signature`, async () => {
      expect(await getPublicKeyAsync(vector.deviceSeed)).toEqual(vector.devicePublicKey);
      expect(await signAsync(signingInput, vector.deviceSeed)).toEqual(signature);
      expect(await verifyAsync(signature, signingInput, vector.devicePublicKey, { zip215: false })).toBe(true);
      for (const subtle of [NO_ED25519, null]) {
        const { publicKey, sign } = await keyPairOf(vector.deviceSeed, subtle);
        expect(publicKey).toEqual(vector.devicePublicKey);
        expect(await sign(signingInput)).toEqual(signature);
      }
    });

    test(`case ${at + 1}: response and event verify with and without WebCrypto Ed25519`, async () => {
      for (const subtle of [crypto.subtle, NO_ED25519, null]) {
        const verify = await verifierFor(vector.gatewayPublicKey, subtle);
        for (const signed of [vector.response, vector.event]) {
          expect(await verify(signed.signingInput, signed.signature)).toBe(true);
          expect(
            await verify(
              signed.signingInput.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
              signed.signature,
            ),
          ).toBe(false);
          expect(await verify(signed.signingInput, signed.signature.subarray(1))).toBe(false);
        }
      }
    });
  }
});

describe("golden vectors of the additions", () => {
  for (const [at, vector] of GOLDEN_ADDITIONS.entries()) {
    const { algorithm, fields, signingInput, signatures } = vector;

    test(`case ${at + 1}: a request signed with ${algorithm} has the signing input and verifies at the gateway`, async () => {
      for (const subtle of algorithm === "EdDSA" ? [crypto.subtle, NO_ED25519, null] : [crypto.subtle]) {
        const key = algorithm === "EdDSA" ? await ed25519Key(vector, subtle) : await p256Key(vector);
        const seen: Uint8Array[] = [];
        const sign = (message: Uint8Array) => {
          seen.push(message);
          return key.sign(message);
        };
        const deviceKey: DeviceKey = { algorithm, publicKey: key.publicKey, sign };
        const signer = new RequestSigner({ deviceSessionId: fields.deviceSessionId, deviceKey });
        const { requestId, idempotencyKey } = fields;
        const options = { requestId, idempotencyKey, timestampMs: Number(fields.timestampMs) };
        const request = await signer.sign(fields.messageType, vector.payloadBytes, options);
        expect(key.publicKey).toEqual(vector.devicePublicKey);
        expect(seen).toEqual([signingInput]);
        expect(deviceVerifier(algorithm, key.publicKey)?.verify(signingInput, request.signature)).toBe(true);
        // Ed25519 signatures are deterministic. ES256 signatures are random.
        if (algorithm === "EdDSA") expect(request.signature).toEqual(signatures[0]?.signature ?? new Uint8Array());
      }
    });
  }

  type Vector = (typeof GOLDEN_ADDITIONS)[number];

  function ed25519Key({ deviceSecretKey }: Vector, subtle: Subtle): Promise<DeviceKey> {
    return keyPairOf(deviceSecretKey, subtle);
  }

  async function p256Key({ deviceSecretKey, devicePublicKey }: Vector): Promise<DeviceKey> {
    const base64url = (bytes: Uint8Array) => bytes.toBase64({ alphabet: "base64url", omitPadding: true });
    const [x, y] = [devicePublicKey.subarray(1, 33), devicePublicKey.subarray(33)].map(base64url);
    const jwk = { kty: "EC", crv: "P-256", d: base64url(deviceSecretKey), x: x ?? "", y: y ?? "" };
    const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
    return new WebCryptoDeviceKey("ES256", devicePublicKey, key);
  }
});

describe("a device key", () => {
  test("imported from its exported seed is the same key", async () => {
    const key = await generateExportableDeviceKey();
    const again = await importDeviceKey(key.exportSeed());
    expect(again.publicKey).toEqual(key.publicKey);
    expect(await again.sign(new Uint8Array(3))).toEqual(await key.sign(new Uint8Array(3)));
  });

  test("is different each time it is generated", async () => {
    const [one, other] = [await generateExportableDeviceKey(), await generateExportableDeviceKey()];
    expect(one.publicKey).not.toEqual(other.publicKey);
  });

  test("does not share memory with the imported or the exported seed", async () => {
    const seed = new Uint8Array(32).fill(7);
    const key = await importDeviceKey(seed);
    seed.fill(0);
    key.exportSeed().fill(0);
    expect(key.exportSeed()).toEqual(new Uint8Array(32).fill(7));
    expect(await verifyAsync(await key.sign(seed), seed, key.publicKey)).toBe(true);
  });

  test("of the caller's own is refused if it signs in DER or not at all", async () => {
    for (const length of [0, 63, 65, 70, 72]) {
      const deviceKey: DeviceKey = { publicKey: new Uint8Array(32), sign: async () => new Uint8Array(length) };
      const signer = new RequestSigner({ deviceSessionId: "ds-1", deviceKey });
      const signing = signer.sign("user.profile.get", new Uint8Array());
      await expect(signing).rejects.toThrow(`64 bytes expected (not DER), ${length} given`);
    }
  });

  test("cannot be imported from a seed that is not 32 bytes", async () => {
    for (const length of [0, 31, 33, 64]) await expect(importDeviceKey(new Uint8Array(length))).rejects.toThrow(RangeError);
  });
});

describe("a request id", () => {
  test("is the UUIDv7 of RFC 9562 A.6 for its time and random bits", () => {
    const random = Uint8Array.fromHex("0000000000000cc318c4dc0c0c07398f");
    expect(newRequestId(0x017f22e279b0, (bytes) => bytes.set(random))).toBe("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  });

  test("is valid by the contract, unique, and sorts by time", async () => {
    let nowMs = 1_760_000_000_000;
    const signer = new RequestSigner(
      { deviceSessionId: "ds-1", deviceKey: await generateExportableDeviceKey() },
      { now: () => nowMs++ },
    );
    const ids = Array.from({ length: 200 }, () => signer.newRequestId());
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(200);
  });
});
