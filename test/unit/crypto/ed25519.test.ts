import { describe, expect, test } from "bun:test";
import { createPublicKey, verify } from "node:crypto";
import { Point, verifyAsync } from "@noble/ed25519";
import { isWeakPublicKey as isWeakByClient, verifierFor } from "../../../src/client/ed25519.ts";
import { privateKeyObject, rawPublicKey, sha256, signEd25519, verifyingKey } from "../../../src/crypto/ed25519.ts";
import { isStrictPublicKey, isWeakPublicKey } from "../../../src/crypto/public-key.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import own from "../../vectors/ed25519.json";
import wycheproof from "../../vectors/wycheproof-ed25519.json";
import { NO_ED25519 } from "../client/no-ed25519.ts";
import { GOLDEN } from "./golden-vectors.ts";

/** The WebCrypto of the runtime, one without Ed25519, and none. The client uses @noble/ed25519 with the last two. */
const SUBTLES = [crypto.subtle, NO_ED25519, null];

/** RFC 8032 5.1: the field's prime p and the group order L. */
const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const MESSAGE = new TextEncoder().encode("open the sally port");
const KEY = privateKeyObject(sha256(new TextEncoder().encode("a device")));
const PUBLIC_KEY = new Uint8Array(rawPublicKey(KEY));
const SIGNATURE = new Uint8Array(signEd25519(MESSAGE, KEY));

/** The 8 points of small order: the multiples of a point of order 8. */
const SMALL_ORDER = smallOrderPoints();
/** Signatures made without a private key: for a key A of small order, S·B = R + k·A holds for S = 0 and some R of small order. */
const FORGERIES = SMALL_ORDER.map((r) => new Uint8Array([...r, ...bytesOf(0n)]));

describe("golden vectors: the gateway verifies signatures of an independent implementation", () => {
  for (const [at, vector] of GOLDEN.entries()) {
    test(`case ${at + 1}`, () => {
      const { fields, signature } = vector.request;
      const input = requestSigningInput(fields);
      const key = privateKeyObject(vector.deviceSeed);
      expect(new Uint8Array(sha256(vector.payloadBytes))).toEqual(vector.payloadHash);
      expect(new Uint8Array(rawPublicKey(key))).toEqual(vector.devicePublicKey);
      expect(new Uint8Array(signEd25519(input, key))).toEqual(signature);
      expect(verifyingKey(vector.devicePublicKey).verify(input, signature)).toBe(true);
    });
  }
});

describe("signature verification", () => {
  const key = verifyingKey(PUBLIC_KEY);

  test("accepts the valid signature", () => {
    expect(key.verify(MESSAGE, SIGNATURE)).toBe(true);
  });

  test("rejects a signature with any bit of R or S flipped", () => {
    for (let bit = 0; bit < 512; bit++) expect([bit, key.verify(MESSAGE, flipped(SIGNATURE, bit))]).toEqual([bit, false]);
  });

  test("rejects a message with a byte changed, removed or added", () => {
    for (let at = 0; at < MESSAGE.byteLength; at++) expect(key.verify(flipped(MESSAGE, at * 8), SIGNATURE)).toBe(false);
    expect(key.verify(MESSAGE.subarray(1), SIGNATURE)).toBe(false);
    expect(key.verify(new Uint8Array([...MESSAGE, 0]), SIGNATURE)).toBe(false);
  });

  test("rejects the signature of another key", () => {
    const other = new Uint8Array(rawPublicKey(privateKeyObject(new Uint8Array(32))));
    expect(verifyingKey(other).verify(MESSAGE, SIGNATURE)).toBe(false);
  });

  test("rejects a signature that is not 64 bytes, without throwing", () => {
    for (const length of [0, 1, 32, 63]) expect(key.verify(MESSAGE, SIGNATURE.subarray(0, length))).toBe(false);
    expect(key.verify(MESSAGE, new Uint8Array([...SIGNATURE, 0]))).toBe(false);
    expect(key.verify(MESSAGE, new Uint8Array(128))).toBe(false);
  });

  test("rejects S + L, S + 2L …, other encodings of the same scalar (RFC 8032 5.1.7)", () => {
    const s = numberOf(SIGNATURE.subarray(32));
    let tried = 0;
    for (let encoding = s + L; encoding < 2n ** 256n; encoding += L, tried++) {
      expect(key.verify(MESSAGE, new Uint8Array([...SIGNATURE.subarray(0, 32), ...bytesOf(encoding)]))).toBe(false);
    }
    expect(tried).toBeGreaterThanOrEqual(14);
  });

  test("rejects S = 0 and S = L with the identity as R", () => {
    const identity = bytesOf(1n);
    expect(key.verify(MESSAGE, new Uint8Array([...identity, ...bytesOf(L)]))).toBe(false);
    expect(key.verify(MESSAGE, new Uint8Array([...identity, ...bytesOf(0n)]))).toBe(false);
  });
});

describe("public key validation", () => {
  test("the test set holds all 8 points of small order", () => {
    expect(SMALL_ORDER).toHaveLength(8);
    expect(new Set(SMALL_ORDER.map(hex)).size).toBe(8);
  });

  for (const raw of smallOrderEncodings()) {
    test(`rejects the small-order key ${hex(raw)}`, () => {
      expect(isStrictPublicKey(raw)).toBe(false);
      expect(isWeakPublicKey(raw)).toBe(true);
      for (const signature of FORGERIES) expect(verifyingKey(raw).verify(MESSAGE, signature)).toBe(false);
    });
  }

  test("without the key check, one of the forged signatures verifies", () => {
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), bytesOf(1n)]);
    const identity = createPublicKey({ key: spki, format: "der", type: "spki" });
    expect(FORGERIES.some((signature) => verify(null, MESSAGE, identity, signature))).toBe(true);
  });

  test("rejects every encoding with y >= p (RFC 8032 5.1.3), even if it decodes to a curve point", () => {
    let onCurve = 0;
    for (let y = P; y < 2n ** 255n; y++) {
      for (const raw of [bytesOf(y), bytesOf(y | (1n << 255n))]) {
        if (isOnCurve(raw)) onCurve++;
        expect(isStrictPublicKey(raw)).toBe(false);
        expect(isWeakPublicKey(raw)).toBe(true);
        expect(isWeakByClient(raw)).toBe(true);
        expect(verifyingKey(raw).verify(MESSAGE, SIGNATURE)).toBe(false);
      }
    }
    expect(onCurve).toBeGreaterThan(4);
  });

  test("rejects a y that belongs to no curve point", () => {
    const off = Array.from({ length: 20 }, (_, y) => bytesOf(BigInt(y))).find((raw) => !isOnCurve(raw));
    expect(isStrictPublicKey(off ?? new Uint8Array())).toBe(false);
    for (const signature of [SIGNATURE, ...FORGERIES]) {
      expect(verifyingKey(off ?? new Uint8Array()).verify(MESSAGE, signature)).toBe(false);
    }
  });

  test("rejects a key that is not 32 bytes, without throwing", () => {
    for (const length of [0, 31, 33, 64]) {
      expect(isStrictPublicKey(new Uint8Array(length).fill(9))).toBe(false);
      expect(verifyingKey(new Uint8Array(length).fill(9)).verify(MESSAGE, SIGNATURE)).toBe(false);
    }
  });

  test("accepts ordinary keys", () => {
    expect(isStrictPublicKey(PUBLIC_KEY)).toBe(true);
    expect(isWeakPublicKey(PUBLIC_KEY)).toBe(false);
    // The largest values of y below p - 1. y = p - 1 is of small order.
    for (let y = P - 20n; y < P - 1n; y++) {
      expect([y, isWeakPublicKey(bytesOf(y)), isWeakByClient(bytesOf(y))]).toEqual([y, false, false]);
    }
    for (const { devicePublicKey } of GOLDEN) expect(isStrictPublicKey(devicePublicKey)).toBe(true);
  });
});

describe("the project's own Ed25519 vectors", () => {
  const cases = own.cases.map((one) => ({
    ...one,
    key: unhex(one.public_key),
    message: unhex(one.message),
    sig: unhex(one.signature),
  }));
  const misjudgedBy = async (verify: (one: (typeof cases)[number]) => boolean | Promise<boolean>) => {
    const verdicts = await Promise.all(cases.map(async (one) => ({ one, isAccepted: await verify(one) })));
    return verdicts.filter(({ one, isAccepted }) => isAccepted !== one.valid).map(({ one }) => `${one.kind}: ${one.note}`);
  };

  test("cover every kind of case in which verifiers differ, including Wycheproof's kinds", () => {
    const counts = (valid: boolean) =>
      Object.groupBy(
        cases.filter((one) => one.valid === valid),
        ({ kind }) => kind,
      );
    expect(Object.keys(counts(true)).sort()).toEqual(["Arithmetic", "Ktv", "Valid"]);
    expect(Object.keys(counts(false)).sort()).toEqual([
      ...["CompressedSignature", "InvalidEncoding", "InvalidSignature", "SignatureMalleability"],
      ...["SignatureWithGarbage", "TruncatedSignature"],
    ]);
    for (const group of [counts(true), counts(false)].flatMap(Object.values)) expect(group?.length).toBeGreaterThanOrEqual(6);
  });

  test("are all judged correctly by the gateway", async () => {
    expect(await misjudgedBy((one) => verifyingKey(one.key).verify(one.message, one.sig))).toEqual([]);
  });

  test("are all judged correctly by the client, with WebCrypto and with @noble/ed25519", async () => {
    for (const subtle of SUBTLES) {
      const verify = async (one: (typeof cases)[number]) => (await verifierFor(one.key, subtle))(one.message, one.sig);
      expect(await misjudgedBy(verify)).toEqual([]);
    }
  });

  test("contain invalid signatures that a lenient verifier (ZIP 215) accepts", async () => {
    const fullLength = cases.filter((one) => one.sig.byteLength === 64);
    const verdicts = await Promise.all(
      fullLength.map((one) => verifyAsync(one.sig, one.message, one.key, { zip215: true }).catch(() => false)),
    );
    expect(fullLength.filter((one, at) => !one.valid && verdicts[at]).length).toBeGreaterThan(0);
  });
});

describe("Wycheproof", () => {
  test("all 151 cases are judged correctly, by the gateway and by the client with WebCrypto and with noble", async () => {
    const suite: WycheproofSuite = wycheproof;
    const cases = suite.testGroups.flatMap((group) => group.tests.map((one) => ({ ...one, key: unhex(group.publicKey.pk) })));
    expect(cases).toHaveLength(151);
    const ownKinds = new Set([...own.cases.map(({ kind }) => kind), ...SYNONYMS]);
    expect(cases.flatMap(({ flags }) => flags).filter((flag) => !ownKinds.has(flag))).toEqual([]);
    const wrong = cases.filter(
      (one) => verifyingKey(one.key).verify(unhex(one.msg), unhex(one.sig)) !== (one.result === "valid"),
    );
    expect(wrong.map(({ tcId, comment }) => `${tcId} ${comment}`)).toEqual([]);
    for (const subtle of SUBTLES) {
      for (const one of cases) {
        const isAccepted = await (await verifierFor(one.key, subtle))(unhex(one.msg), unhex(one.sig));
        expect([one.tcId, one.comment, isAccepted]).toEqual([one.tcId, one.comment, one.result === "valid"]);
      }
    }
  });
});

test("an independent implementation verifies the gateway's signature", async () => {
  expect(await verifyAsync(SIGNATURE, MESSAGE, PUBLIC_KEY, { zip215: false })).toBe(true);
});

/** Wycheproof's flags that correspond to `InvalidSignature` and `Arithmetic` of the project's vectors. */
const SYNONYMS = ["InvalidKtv", "TinkOverflow"];

interface WycheproofSuite {
  testGroups: {
    publicKey: { pk: string };
    tests: { tcId: number; comment: string; flags: string[]; msg: string; sig: string; result: string }[];
  }[];
}

function smallOrderPoints(): Uint8Array<ArrayBuffer>[] {
  for (let y = 2n; ; y++) {
    if (!isOnCurve(bytesOf(y))) continue;
    const torsion = multiple(Point.fromBytes(bytesOf(y)), L);
    const points = Array.from({ length: 8 }, (_, times) => multiple(torsion, BigInt(times)));
    if (new Set(points.map((point) => point.toHex())).size === 8) return points.map((point) => new Uint8Array(point.toBytes()));
  }
}

/** The canonical encodings, y + p if it fits 255 bits, and each of them with the other sign bit. */
function smallOrderEncodings(): Uint8Array[] {
  const ys = SMALL_ORDER.map((raw) => numberOf(raw) % 2n ** 255n);
  const allYs = ys.flatMap((y) => [y, y + P]).filter((y) => y < 2n ** 255n);
  return [...new Set(allYs.flatMap((y) => [y, y | (1n << 255n)]))].map(bytesOf);
}

/** Scalar multiplication by double-and-add, because the library's multiplication rejects scalars of L or above. */
function multiple(point: Point, times: bigint): Point {
  let sum = Point.ZERO;
  for (let rest = times, power = point; rest > 0n; rest >>= 1n, power = power.double()) {
    if (rest & 1n) sum = sum.add(power);
  }
  return sum;
}

function isOnCurve(raw: Uint8Array): boolean {
  try {
    Point.fromBytes(raw, true);
    return true;
  } catch {
    return false;
  }
}

/** The number as 32 bytes, little-endian. */
function bytesOf(number: bigint): Uint8Array<ArrayBuffer> {
  return unhex(number.toString(16).padStart(64, "0")).reverse();
}

function numberOf(littleEndian: Uint8Array): bigint {
  return BigInt(`0x${hex(new Uint8Array(littleEndian).reverse())}`);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text);
}
