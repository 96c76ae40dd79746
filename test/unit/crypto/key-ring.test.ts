import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { verifyingKey } from "../../../src/crypto/ed25519.ts";
import { jwkThumbprint, KeyRing, publicJwk } from "../../../src/crypto/key-ring.ts";
import { eventSigningInput, responseSigningInput } from "../../../src/crypto/signing-input.ts";
import { GOLDEN } from "./golden-vectors.ts";

describe("the gateway signs what the golden vectors say, so that every client verifies it", () => {
  for (const [at, vector] of GOLDEN.entries()) {
    test(`case ${at + 1}: key id, response, event`, () => {
      const ring = new KeyRing({ current: vector.gatewaySeed });
      expect(ring.keyId).toBe(vector.keyId);
      expect(new Uint8Array(ring.sign(responseSigningInput(vector.response.fields)))).toEqual(vector.response.signature);
      expect(new Uint8Array(ring.sign(eventSigningInput(vector.event.fields)))).toEqual(vector.event.signature);
    });
  }
});

test("the key id is the thumbprint that RFC 8037 A.3 gives for its example key", () => {
  const raw = Uint8Array.fromBase64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", { alphabet: "base64url" });
  expect(jwkThumbprint(raw)).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

describe("the published key set", () => {
  const [current, next, previous] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const ring = new KeyRing({ current, next, previous });

  test("names the current key first, then the next and the previous, so that a rotation loses no client", () => {
    const kids = [current, next, previous].map((seed) => new KeyRing({ current: seed }).keyId);
    expect(ring.jwks.keys.map((key) => key.kid)).toEqual(kids);
    expect(ring.keyId).toBe(kids[0] ?? "");
  });

  test("holds only the current key where there is no other", () => {
    expect(new KeyRing({ current }).jwks.keys).toHaveLength(1);
  });

  test("never shows a private member", () => {
    for (const key of ring.jwks.keys) expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
    const published = JSON.stringify(ring.jwks);
    for (const seed of [current, next, previous]) expect(published).not.toContain(seed.toString("base64url"));
  });

  test("writes the current key as RFC 8037 does, and signatures verify under it", () => {
    const [jwk] = ring.jwks.keys;
    const raw = Uint8Array.fromBase64(jwk?.x ?? "", { alphabet: "base64url" });
    expect(jwk).toEqual(publicJwk(raw));
    const message = new TextEncoder().encode("message");
    expect(verifyingKey(raw).verify(message, ring.sign(message))).toBe(true);
  });
});

test("the key id of a key in the middle of a larger buffer is the key's own", () => {
  const { gatewayPublicKey, keyId } = GOLDEN[0] ?? { gatewayPublicKey: new Uint8Array(), keyId: "" };
  const buffer = Buffer.concat([Buffer.alloc(5), gatewayPublicKey, Buffer.alloc(5)]);
  expect(jwkThumbprint(buffer.subarray(5, 37))).toBe(keyId);
});
