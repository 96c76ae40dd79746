import { expect, test } from "bun:test";
import { join } from "node:path";
import { deviceKey } from "../../src/crypto/device-key.ts";
import { ES256_KEYS_REFUSED, GOLDEN, GOLDEN_ADDITIONS } from "../unit/crypto/golden-vectors.ts";
import wycheproofEs256 from "../vectors/wycheproof-ecdsa-p256-p1363.json";
import wycheproofEddsa from "../vectors/wycheproof-ed25519.json";
import { runToEnd } from "./run-to-end.ts";
import { goClient, PREPARE_TIMEOUT_MS, pythonProgram } from "./toolchain.ts";

const FOLDER = join(import.meta.dir, "../vectors");

interface SignedResult {
  readonly signing_input: string;
  /** A new signature of the signing input. */
  readonly signature: string;
  /** Whether the program accepts the signature of the file. */
  readonly verdict: boolean;
}

/** What a program makes of the vectors. Bytes are in base64. */
interface Results {
  readonly golden: readonly {
    readonly device_public_key: string;
    readonly gateway_public_key: string;
    readonly key_id: string;
    readonly payload_hash: string;
    readonly request: SignedResult;
    readonly response: SignedResult;
    readonly event: SignedResult;
  }[];
  readonly additions: readonly {
    readonly signing_input: string;
    readonly public_key: string;
    /** For each signature of the case: whether the program accepts it. */
    readonly verdicts: readonly boolean[];
    /** A new signature of the signing input. */
    readonly signature: string;
  }[];
  /** For each key that must be refused: whether the program accepts it. */
  readonly keys_accepted: readonly boolean[];
  /** For each test of Wycheproof: whether the program accepts the signature. */
  readonly wycheproof: Readonly<Record<"EdDSA" | "ES256", readonly boolean[]>>;
}

const PROGRAMS = [
  { name: "Go", command: async () => [...(await goClient()), "-vectors", FOLDER] },
  { name: "Python", command: async () => [...(await pythonProgram("vectors.py")), FOLDER] },
];

/** Programs in other languages read the vectors. The gateway verifies what they sign. */
export function vectorSuite(): void {
  test.each(PROGRAMS)(
    "$name reproduces the signing inputs and public keys, and judges every signature and key correctly",
    async ({ command }) => {
      const results: Results = JSON.parse(await runToEnd(await command()));
      checkGolden(results);
      checkAdditions(results);
      const { EdDSA, ES256 } = results.wycheproof;
      expect(misjudged(wycheproofEddsa.testGroups, EdDSA)).toEqual([]);
      expect(misjudged(wycheproofEs256.testGroups, ES256)).toEqual([]);
    },
    PREPARE_TIMEOUT_MS,
  );
}

function checkGolden({ golden }: Results): void {
  const signed = ({ signingInput, signature }: { signingInput: Uint8Array; signature: Uint8Array }) => ({
    signing_input: signingInput.toBase64(),
    signature: signature.toBase64(),
    verdict: true,
  });
  const expected = GOLDEN.map((vector) => ({
    device_public_key: vector.devicePublicKey.toBase64(),
    gateway_public_key: vector.gatewayPublicKey.toBase64(),
    key_id: vector.keyId,
    payload_hash: vector.payloadHash.toBase64(),
    request: signed(vector.request),
    response: signed(vector.response),
    event: signed(vector.event),
  }));
  expect(golden).toEqual(expected);
}

function checkAdditions({ additions, keys_accepted }: Results): void {
  expect(additions).toHaveLength(GOLDEN_ADDITIONS.length);
  expect(keys_accepted).toEqual(ES256_KEYS_REFUSED.map(() => false));
  for (const [at, vector] of GOLDEN_ADDITIONS.entries()) {
    const own = additions[at] ?? expect.unreachable();
    expect(Uint8Array.fromBase64(own.signing_input)).toEqual(vector.signingInput);
    expect(Uint8Array.fromBase64(own.public_key)).toEqual(vector.devicePublicKey);
    expect(own.verdicts).toEqual(vector.signatures.map(({ valid }) => valid));
    const signature = Uint8Array.fromBase64(own.signature);
    // Ed25519 signatures are deterministic. ECDSA signatures are random.
    if (vector.algorithm === "EdDSA") expect(signature).toEqual(vector.signatures[0]?.signature ?? expect.unreachable());
    expect(deviceKey(vector.algorithm, vector.devicePublicKey)?.verify(vector.signingInput, signature)).toBe(true);
  }
}

interface WycheproofGroup {
  readonly tests: readonly { readonly tcId: number; readonly comment: string; readonly result: string }[];
}

/** The tests of Wycheproof with a wrong verdict, or without one. */
function misjudged(groups: readonly WycheproofGroup[], verdicts: readonly boolean[]): string[] {
  const tests = groups.flatMap((group) => group.tests);
  expect(verdicts).toHaveLength(tests.length);
  const wrong = tests.filter(({ result }, at) => verdicts[at] !== (result === "valid"));
  return wrong.map(({ tcId, comment }) => `${tcId} ${comment}`);
}
