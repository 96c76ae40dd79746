import { describe, expect, test } from "bun:test";
import { createECDH, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { type DeviceKeyAlgorithm, decodePublicKey, keyAlgorithmOf } from "../../../src/core/keys.ts";
import { deviceKey, isStrictDeviceKey } from "../../../src/crypto/device-key.ts";
import { privateKeyObject, rawPublicKey, sha256, signEd25519 } from "../../../src/crypto/ed25519.ts";
import { es256VerifyingKey } from "../../../src/crypto/es256.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import { es256DeviceKey, signEs256, withOtherS } from "../../support/es256-device.ts";
import wycheproof from "../../vectors/wycheproof-ecdsa-p256-p1363.json";
import { ES256_KEYS_REFUSED, GOLDEN_ADDITIONS } from "./golden-vectors.ts";

/** SEC 2 2.4.2: the field's prime p and the order n of P-256. */
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
/** A point of P-256 whose y is 1. */
const X_OF_Y_1 = 0x6916fac45e568b6b9e2e2ecd611b282e5fcc40a3067d601057f879ce5a8a73ccn;

const MESSAGE = new TextEncoder().encode("open the sally port");
const DEVICE = es256DeviceKey(sha256(new TextEncoder().encode("a device")));
const SIGNATURE = signEs256(MESSAGE, DEVICE.privateKey);

const CASES = wycheproof.testGroups.flatMap((group) =>
  group.tests.map((one) => ({ ...one, key: Uint8Array.fromHex(group.publicKey.uncompressed) })),
);

const verifies = (raw: Uint8Array, message: Uint8Array, signature: Uint8Array, algorithm: DeviceKeyAlgorithm = "ES256") =>
  deviceKey(algorithm, raw)?.verify(message, signature);

describe("golden additions: requests of an independent implementation", () => {
  test("hold both algorithms, and each kind of invalid signature", () => {
    const count = (algorithm: string) => GOLDEN_ADDITIONS.filter((each) => each.algorithm === algorithm).length;
    expect([count("ES256"), count("EdDSA")]).toEqual([6, 6]);
    expect(ES256_KEYS_REFUSED).toHaveLength(7);
  });

  for (const [at, vector] of GOLDEN_ADDITIONS.entries()) {
    describe(`case ${at + 1}, ${vector.algorithm}`, () => {
      test("the signing input is the same", () => {
        expect(requestSigningInput(vector.fields)).toEqual(vector.signingInput);
        expect(new Uint8Array(sha256(vector.payloadBytes))).toEqual(vector.fields.payloadHash);
      });

      test("the private key has this public key, and the device may register it", () => {
        const isEs256 = vector.algorithm === "ES256";
        const ownKey = isEs256
          ? es256DeviceKey(vector.deviceSecretKey).publicKey
          : new Uint8Array(rawPublicKey(privateKeyObject(vector.deviceSecretKey)));
        expect(ownKey).toEqual(vector.devicePublicKey);
        expect(isStrictDeviceKey(vector.algorithm, vector.devicePublicKey)).toBe(true);
      });

      test.each(vector.signatures)("$why: $valid", ({ valid, signature }) => {
        const input = requestSigningInput(vector.fields);
        expect(verifies(vector.devicePublicKey, input, signature, vector.algorithm)).toBe(valid);
      });
    });
  }

  test.each(ES256_KEYS_REFUSED)("the public key is refused: $why", ({ publicKey }) => {
    expect(deviceKey("ES256", publicKey)).toBeUndefined();
    expect(isStrictDeviceKey("ES256", publicKey)).toBe(false);
  });
});

describe("Wycheproof, ECDSA on P-256 with SHA-256 and R ‖ S", () => {
  test("has 262 cases, each either valid or invalid: no case is left to the implementation", () => {
    expect(CASES).toHaveLength(262);
    expect(wycheproof.testGroups.every((group) => group.sha === "SHA-256" && group.publicKey.curve === "secp256r1")).toBe(true);
    const counts = Object.groupBy(CASES, ({ result }) => result);
    expect(Object.keys(counts).sort()).toEqual(["invalid", "valid"]);
    expect([counts["valid"]?.length, counts["invalid"]?.length]).toEqual([173, 89]);
  });

  test("all 262 cases are judged correctly", () => {
    const wrong = CASES.filter(
      (one) => verifies(one.key, Uint8Array.fromHex(one.msg), Uint8Array.fromHex(one.sig)) !== (one.result === "valid"),
    );
    expect(wrong.map(({ tcId, comment }) => `${tcId} ${comment}`)).toEqual([]);
  });

  test("every public key of the suite may be registered", () => {
    expect(CASES.filter(({ key }) => !isStrictDeviceKey("ES256", key))).toEqual([]);
  });
});

describe("signature verification", () => {
  test("accepts both forms of a valid signature", () => {
    expect(verifies(DEVICE.publicKey, MESSAGE, SIGNATURE)).toBe(true);
    expect(verifies(DEVICE.publicKey, MESSAGE, withOtherS(SIGNATURE))).toBe(true);
    expect(withOtherS(SIGNATURE)).not.toEqual(SIGNATURE);
  });

  test("rejects a signature with any bit of R or S flipped", () => {
    const key = es256VerifyingKey(DEVICE.publicKey);
    for (let bit = 0; bit < 512; bit++) expect([bit, key?.verify(MESSAGE, flipped(SIGNATURE, bit))]).toEqual([bit, false]);
  });

  test("rejects R and S of zero, of n, and above n, in every combination", () => {
    const [r, s] = [numberOf(SIGNATURE.subarray(0, 32)), numberOf(SIGNATURE.subarray(32))];
    const edges = [0n, N, N + 1n, P, 2n ** 256n - 1n];
    for (const edge of edges) {
      for (const [badR, badS] of [[edge, s], [r, edge], ...edges.map((other) => [edge, other])]) {
        const signature = new Uint8Array([...bytesOf(badR ?? 0n), ...bytesOf(badS ?? 0n)]);
        expect([badR, badS, verifies(DEVICE.publicKey, MESSAGE, signature)]).toEqual([badR, badS, false]);
      }
    }
  });

  test("rejects R + n and S + n, which are equal modulo n", () => {
    // Wycheproof has valid signatures with an R or S so small that the sum with n fits into 32 bytes.
    const tried = { r: 0, s: 0 };
    for (const { key, msg, sig, result } of CASES) {
      const [message, r, s] = [Uint8Array.fromHex(msg), sig.slice(0, 64), sig.slice(64)];
      if (result !== "valid") continue;
      for (const [name, part] of [
        ["r", r],
        ["s", s],
      ] as const) {
        const sum = BigInt(`0x${part}`) + N;
        if (sum >= 2n ** 256n) continue;
        const shifted =
          name === "r" ? [...bytesOf(sum), ...Uint8Array.fromHex(s)] : [...Uint8Array.fromHex(r), ...bytesOf(sum)];
        expect(verifies(key, message, Uint8Array.from(shifted))).toBe(false);
        tried[name]++;
      }
    }
    expect(Math.min(tried.r, tried.s)).toBeGreaterThan(0);
  });

  test("rejects a signature that is not 64 bytes, without throwing", () => {
    for (const length of [0, 1, 32, 63]) expect(verifies(DEVICE.publicKey, MESSAGE, SIGNATURE.subarray(0, length))).toBe(false);
    for (const length of [1, 32, 64]) {
      expect(verifies(DEVICE.publicKey, MESSAGE, new Uint8Array([...SIGNATURE, ...new Uint8Array(length)]))).toBe(false);
      expect(verifies(DEVICE.publicKey, MESSAGE, new Uint8Array([...new Uint8Array(length), ...SIGNATURE]))).toBe(false);
    }
  });

  test("rejects the same signature in DER (RFC 3279 2.2.3), also cut or padded to 64 bytes", () => {
    const der = new Uint8Array(sign("sha256", MESSAGE, DEVICE.privateKey));
    for (const signature of [der, der.subarray(0, 64), der.subarray(-64)]) {
      expect(verifies(DEVICE.publicKey, MESSAGE, signature)).toBe(false);
    }
  });

  test("rejects a signature with another hash, and one of the hash itself", () => {
    for (const hash of ["sha1", "sha384", "sha512"]) {
      const signature = new Uint8Array(sign(hash, MESSAGE, { key: DEVICE.privateKey, dsaEncoding: "ieee-p1363" }));
      expect([hash, verifies(DEVICE.publicKey, MESSAGE, signature)]).toEqual([hash, false]);
    }
    expect(verifies(DEVICE.publicKey, MESSAGE, signEs256(sha256(MESSAGE), DEVICE.privateKey))).toBe(false);
  });
});

describe("properties, with random keys", () => {
  const secrets = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .filter((bytes) => numberOf(bytes) > 0n && numberOf(bytes) < N);
  const messages = fc.uint8Array({ maxLength: 300 });

  test("a signature verifies in both forms, and for its key and message only", () => {
    fc.assert(
      fc.property(secrets, secrets, messages, fc.nat(), (secret, otherSecret, message, seed) => {
        const [own, other] = [es256DeviceKey(secret), es256DeviceKey(otherSecret)];
        const signature = signEs256(message, own.privateKey);
        expect(verifies(own.publicKey, message, signature)).toBe(true);
        expect(verifies(own.publicKey, message, withOtherS(signature))).toBe(true);
        if (numberOf(secret) !== numberOf(otherSecret)) expect(verifies(other.publicKey, message, signature)).toBe(false);
        expect(verifies(own.publicKey, flipped(signature, seed % 512), signature)).toBe(false);
        expect(verifies(own.publicKey, message, flipped(signature, seed % 512))).toBe(false);
        expect(verifies(own.publicKey, new Uint8Array([...message, 0]), signature)).toBe(false);
        if (message.byteLength > 0) {
          expect(verifies(own.publicKey, flipped(message, seed % (message.byteLength * 8)), signature)).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a public key with any bit flipped, or of any other size, is refused or verifies nothing", () => {
    fc.assert(
      fc.property(secrets, messages, fc.nat(519), fc.nat(130), (secret, message, bit, size) => {
        const own = es256DeviceKey(secret);
        const signature = signEs256(message, own.privateKey);
        expect(verifies(flipped(own.publicKey, bit), message, signature)).not.toBe(true);
        const resized = new Uint8Array(size);
        resized.set(own.publicKey.subarray(0, size));
        if (size !== 65) expect(deviceKey("ES256", resized)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test("no bytes make verification or the key check throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 130 }), messages, fc.uint8Array({ maxLength: 130 }), (raw, message, signature) => {
        for (const algorithm of ["EdDSA", "ES256"] as const) {
          expect(verifies(raw, message, signature, algorithm)).not.toBe(true);
          isStrictDeviceKey(algorithm, raw);
        }
        expect(verifies(DEVICE.publicKey, message, signature)).toBe(false);
      }),
    );
  });
});

describe("public key validation", () => {
  const [x, y] = [DEVICE.publicKey.subarray(1, 33), DEVICE.publicKey.subarray(33)];
  const isOdd = ((y[31] ?? 0) & 1) === 1;

  test.each([
    ["compressed", [isOdd ? 3 : 2, ...x]],
    ["hybrid, with the right sign", [isOdd ? 7 : 6, ...x, ...y]],
    ["hybrid, with the wrong sign", [isOdd ? 6 : 7, ...x, ...y]],
    ["compressed, padded to 65 bytes", [isOdd ? 3 : 2, ...x, ...new Uint8Array(32)]],
    ["infinity", [0]],
    ["infinity, padded to 65 bytes", new Uint8Array(65)],
    ["with a byte after it", [4, ...x, ...y, 0]],
    ["with a byte before it", [0, 4, ...x, ...y]],
    ["without the prefix", [...x, ...y]],
    ["another prefix", [5, ...x, ...y]],
    ["x and y swapped", [4, ...y, ...x]],
    ["y plus one", [4, ...x, ...bytesOf(numberOf(y) + 1n)]],
    ["x is p", [4, ...bytesOf(P), ...y]],
    ["y is p", [4, ...x, ...bytesOf(P)]],
    ["x of 5 plus p: on the curve modulo p", [4, ...bytesOf(5n + P), ...bytesOf(sqrt(curve(5n)))]],
    ["y of 1 plus p: on the curve modulo p", [4, ...bytesOf(X_OF_Y_1), ...bytesOf(1n + P)]],
    ["all ones", [4, ...new Uint8Array(64).fill(255)]],
    ["a SubjectPublicKeyInfo of the key", spkiOf("P-256")],
  ])("refused: %s", (_, bytes) => {
    const raw = Uint8Array.from(bytes);
    expect(deviceKey("ES256", raw)).toBeUndefined();
    expect(isStrictDeviceKey("ES256", raw)).toBe(false);
  });

  test("the two points whose coordinates are not reduced above are points if they are reduced", () => {
    expect(isStrictDeviceKey("ES256", new Uint8Array([4, ...bytesOf(5n), ...bytesOf(sqrt(curve(5n)))]))).toBe(true);
    expect(isStrictDeviceKey("ES256", new Uint8Array([4, ...bytesOf(X_OF_Y_1), ...bytesOf(1n)]))).toBe(true);
  });

  /** Base points of other curves with 32-byte coordinates (SEC 2 2.4.1; RFC 5639 3.4). */
  test.each([
    [
      "secp256k1",
      "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    ],
    [
      "brainpoolP256r1",
      "8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
    ],
  ])("refused: the base point of the curve %s", (_, coordinates) => {
    expect(deviceKey("ES256", Uint8Array.fromHex(`04${coordinates}`))).toBeUndefined();
  });

  test.each(["secp224r1", "secp384r1", "secp521r1"])("refused: a point of the curve %s", (name) => {
    const foreign = createECDH(name);
    const raw = new Uint8Array(foreign.generateKeys());
    expect(raw[0]).toBe(4);
    expect(deviceKey("ES256", raw)).toBeUndefined();
  });
});

describe("key confusion", () => {
  const seed = sha256(DEVICE.secret);
  const ed25519 = { privateKey: privateKeyObject(seed), raw: new Uint8Array(rawPublicKey(privateKeyObject(seed))) };

  test("an Ed25519 signature never verifies as ES256, nor the reverse", () => {
    const edSignature = signEd25519(MESSAGE, ed25519.privateKey);
    expect(verifies(ed25519.raw, MESSAGE, edSignature, "EdDSA")).toBe(true);
    expect(verifies(DEVICE.publicKey, MESSAGE, edSignature)).toBe(false);
    expect(verifies(ed25519.raw, MESSAGE, SIGNATURE, "EdDSA")).toBe(false);
  });

  test("the size of a key does not choose the algorithm", () => {
    expect(deviceKey("ES256", ed25519.raw)).toBeUndefined();
    for (const signature of [SIGNATURE, signEd25519(MESSAGE, ed25519.privateKey)]) {
      expect(verifies(DEVICE.publicKey, MESSAGE, signature, "EdDSA")).toBe(false);
    }
    expect(isStrictDeviceKey("EdDSA", DEVICE.publicKey)).toBe(false);
    expect(isStrictDeviceKey("ES256", ed25519.raw)).toBe(false);
  });

  test("half of a P-256 key is no Ed25519 key of the device", () => {
    const half = DEVICE.publicKey.subarray(1, 33);
    for (const signature of [SIGNATURE, withOtherS(SIGNATURE)]) expect(verifies(half, MESSAGE, signature, "EdDSA")).toBe(false);
  });

  test("base64 decodes to a key of the named algorithm's size only", () => {
    const base64 = (raw: Uint8Array) => Buffer.from(raw).toString("base64");
    expect(decodePublicKey(base64(DEVICE.publicKey), "ES256")).toEqual(Buffer.from(DEVICE.publicKey));
    expect(decodePublicKey(base64(DEVICE.publicKey), "EdDSA")).toBeUndefined();
    expect(decodePublicKey(base64(ed25519.raw), "ES256")).toBeUndefined();
    expect(decodePublicKey(base64(DEVICE.publicKey).replace("=", ""), "ES256")).toBeUndefined();
    expect(decodePublicKey(` ${base64(DEVICE.publicKey)}`, "ES256")).toBeUndefined();
  });

  test("only the exact names are algorithms; a missing member is EdDSA", () => {
    expect([keyAlgorithmOf(undefined), keyAlgorithmOf("EdDSA"), keyAlgorithmOf("ES256")]).toEqual(["EdDSA", "EdDSA", "ES256"]);
    for (const other of ["", "es256", "ES256 ", " ES256", "Es256", "eddsa", "Ed25519", "ES384", "ES256K", "none", "toString"]) {
      expect([other, keyAlgorithmOf(other)]).toEqual([other, undefined]);
    }
    for (const other of [null, 0, 1, true, [], ["ES256"], {}, { 0: "ES256" }]) expect(keyAlgorithmOf(other)).toBeUndefined();
  });
});

/** x³ − 3x + b modulo p (SEC 2 2.4.2). */
function curve(x: bigint): bigint {
  const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
  return (((x ** 3n - 3n * x + b) % P) + P) % P;
}

/** A square root modulo p. p is 3 modulo 4. */
function sqrt(square: bigint): bigint {
  let root = 1n;
  for (let power = square, rest = (P + 1n) / 4n; rest > 0n; rest >>= 1n, power = (power * power) % P) {
    if (rest & 1n) root = (root * power) % P;
  }
  return root;
}

function spkiOf(namedCurve: string): Uint8Array {
  return new Uint8Array(generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "der", type: "spki" }));
}

/** The number as 32 bytes, big-endian. */
function bytesOf(number: bigint): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(number.toString(16).padStart(64, "0"));
}

function numberOf(bigEndian: Uint8Array): bigint {
  return BigInt(`0x${bigEndian.toHex()}`);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}
