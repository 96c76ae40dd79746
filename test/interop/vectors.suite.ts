import { expect, test } from "bun:test";
import { join } from "node:path";
import { deviceKey } from "../../src/crypto/device-key.ts";
import { ES256_KEYS_REFUSED, GOLDEN_ADDITIONS } from "../unit/crypto/golden-vectors.ts";
import { runToEnd } from "./run-to-end.ts";
import { goClient, PREPARE_TIMEOUT_MS, pythonProgram } from "./toolchain.ts";

const FILE = join(import.meta.dir, "../vectors/golden-additions.json");

/** What a program makes of the vectors. Bytes are in base64. */
interface Results {
  readonly cases: readonly {
    readonly signing_input: string;
    readonly public_key: string;
    /** For each signature of the case: whether the program accepts it. */
    readonly verdicts: readonly boolean[];
    /** A new signature of the signing input. */
    readonly signature: string;
  }[];
  /** For each key that must be refused: whether the program accepts it. */
  readonly keys_accepted: readonly boolean[];
}

const PROGRAMS = [
  { name: "Go", command: async () => [...(await goClient()), "-vectors", FILE] },
  { name: "Python", command: async () => [...(await pythonProgram("vectors.py")), FILE] },
];

/** Programs in other languages read the golden additions. The gateway verifies what they sign. */
export function vectorSuite(): void {
  test.each(PROGRAMS)(
    "$name reproduces the signing inputs and public keys, and judges every signature and key correctly",
    async ({ command }) => {
      const results: Results = JSON.parse(await runToEnd(await command()));
      expect(results.cases).toHaveLength(GOLDEN_ADDITIONS.length);
      expect(results.keys_accepted).toEqual(ES256_KEYS_REFUSED.map(() => false));
      for (const [at, vector] of GOLDEN_ADDITIONS.entries()) {
        const own = results.cases[at] ?? expect.unreachable();
        expect(Uint8Array.fromBase64(own.signing_input)).toEqual(vector.signingInput);
        expect(Uint8Array.fromBase64(own.public_key)).toEqual(vector.devicePublicKey);
        expect(own.verdicts).toEqual(vector.signatures.map(({ valid }) => valid));
        const signature = Uint8Array.fromBase64(own.signature);
        // Ed25519 signatures are deterministic. ECDSA signatures are random.
        if (vector.algorithm === "EdDSA") expect(signature).toEqual(vector.signatures[0]?.signature ?? expect.unreachable());
        expect(deviceKey(vector.algorithm, vector.devicePublicKey)?.verify(vector.signingInput, signature)).toBe(true);
      }
    },
    PREPARE_TIMEOUT_MS,
  );
}
