import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { verifyingKey } from "../../../src/crypto/ed25519.ts";
import { jwkThumbprint, KeyRing, publicJwk } from "../../../src/crypto/key-ring.ts";
import { eventSigningInput, responseSigningInput } from "../../../src/crypto/signing-input.ts";
import { GOLDEN } from "./golden-vectors.ts";

describe("golden vectors: the gateway's signatures equal those of an independent implementation", () => {
  for (const [at, vector] of GOLDEN.entries()) {
    test(`case ${at + 1}: key id, response, event`, () => {
      const ring = new KeyRing({ current: vector.gatewaySeed });
      expect(ring.keyId).toBe(vector.keyId);
      expect(new Uint8Array(ring.sign(responseSigningInput(vector.response.fields)))).toEqual(vector.response.signature);
      expect(new Uint8Array(ring.sign(eventSigningInput(vector.event.fields)))).toEqual(vector.event.signature);
    });
  }
});

test("the key id of the example key in RFC 8037 A.3 is the thumbprint given there", () => {
  const raw = Uint8Array.fromBase64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", { alphabet: "base64url" });
  expect(jwkThumbprint(raw)).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

describe("the published key set", () => {
  const [current, next, previous] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const ring = new KeyRing({ current, next, previous });

  test("lists the current, the next and the previous key, in this order", () => {
    const kids = [current, next, previous].map((seed) => new KeyRing({ current: seed }).keyId);
    expect(ring.jwks.keys.map((key) => key.kid)).toEqual(kids);
    expect(ring.keyId).toBe(kids[0] ?? "");
  });

  test("contains only the current key if no other is configured", () => {
    expect(new KeyRing({ current }).jwks.keys).toHaveLength(1);
  });

  test("contains no private key material", () => {
    for (const key of ring.jwks.keys) expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
    const published = JSON.stringify(ring.jwks);
    for (const seed of [current, next, previous]) expect(published).not.toContain(seed.toString("base64url"));
  });

  test("contains the current key as an RFC 8037 JWK that verifies the gateway's signatures", () => {
    const [jwk] = ring.jwks.keys;
    const raw = Uint8Array.fromBase64(jwk?.x ?? "", { alphabet: "base64url" });
    expect(jwk).toEqual(publicJwk(raw));
    const message = new TextEncoder().encode("message");
    expect(verifyingKey(raw).verify(message, ring.sign(message))).toBe(true);
  });
});

test("the key id of a view into a larger buffer covers the bytes of the view only", () => {
  const { gatewayPublicKey, keyId } = GOLDEN[0] ?? { gatewayPublicKey: new Uint8Array(), keyId: "" };
  const buffer = Buffer.concat([Buffer.alloc(5), gatewayPublicKey, Buffer.alloc(5)]);
  expect(jwkThumbprint(buffer.subarray(5, 37))).toBe(keyId);
});
