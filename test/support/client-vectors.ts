import { importDeviceKey } from "../../src/client/device-key.ts";
import { type Subtle, verifierFor } from "../../src/client/ed25519.ts";
import { RequestSigner } from "../../src/client/request-signer.ts";
import { WebCryptoDeviceKey } from "../../src/client/webcrypto-key.ts";
import golden from "../vectors/golden.json";
import additions from "../vectors/golden-additions.json";
import wycheproofEs256 from "../vectors/wycheproof-ecdsa-p256-p1363.json";
import wycheproofEddsa from "../vectors/wycheproof-ed25519.json";

/**
 * The client's cryptography on all vectors, in the runtime that runs this file: Bun, Node or a browser.
 *
 * The client signs with ES256 keys, by WebCrypto alone, and never verifies such signatures. So WebCrypto itself judges the ES256
 * vectors here.
 */

type Bytes = Uint8Array<ArrayBuffer>;

/** The result of all vectors. */
export interface VectorReport {
  /** The number of results by kind of vectors. */
  readonly judged: Readonly<Record<string, number>>;
  /** The names of the cases with a wrong result. */
  readonly wrong: readonly string[];
}

/** The report if every result is right. The client judges the golden vectors and those of Ed25519 with WebCrypto and with noble. */
export const ALL_RIGHT: VectorReport = { judged: { golden: 60, additions: 102, ed25519: 2 * 151, es256: 262 }, wrong: [] };

/** Runs all vectors with the WebCrypto of the runtime, and those of Ed25519 also with noble. */
export async function judgeVectors(): Promise<VectorReport> {
  const outcomes = {
    golden: await goldenOutcomes(),
    additions: await additionOutcomes(),
    ed25519: [...(await eddsaOutcomes("WebCrypto", crypto.subtle)), ...(await eddsaOutcomes("noble", null))],
    es256: await es256Outcomes(),
  };
  const judged = Object.fromEntries(Object.entries(outcomes).map(([kind, results]) => [kind, results.length]));
  const wrong = Object.values(outcomes).flatMap((results) => results.filter(([, isRight]) => !isRight));
  return { judged, wrong: wrong.map(([name]) => name) };
}

type Outcome = readonly [name: string, isRight: boolean];

/** The client makes the request's signature, and verifies the signatures of the response and the event. */
async function goldenOutcomes(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [at, { request, response, event, ...vector }] of golden.cases.entries()) {
    const deviceKey = await importDeviceKey(base64(vector.device_secret_key));
    const signer = new RequestSigner({ deviceSessionId: request.device_session_id, deviceKey });
    const options = { requestId: request.request_id, timestampMs: request.timestamp_ms };
    const { signature } = await signer.sign(request.message_type, base64(vector.payload_bytes), options);
    outcomes.push([`golden ${at + 1}, request`, areEqual(signature, base64(request.signature))]);
    for (const [name, subtle] of [
      ["WebCrypto", crypto.subtle],
      ["noble", null],
    ] as const) {
      const verify = await verifierFor(base64(vector.gateway_public_key), subtle);
      for (const signed of [response, event]) {
        const [input, good] = [base64(signed.signing_input), base64(signed.signature)];
        const isRight = (await verify(input, good)) && !(await verify(input.subarray(1), good));
        outcomes.push([`golden ${at + 1}, ${name}`, isRight]);
      }
    }
  }
  return outcomes;
}

/** The verdict on each signature of the additions. Also signs with each ES256 key, and verifies the signature. */
async function additionOutcomes(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [at, vector] of additions.cases.entries()) {
    const [publicKey, input] = [base64(vector.device_public_key), base64(vector.request.signing_input)];
    const isEs256 = vector.client_key_algorithm === "ES256";
    const verifiers = isEs256
      ? [await es256Verifier(publicKey)]
      : [await verifierFor(publicKey, crypto.subtle), await verifierFor(publicKey, null)];
    for (const verify of verifiers) {
      for (const { valid, why, signature } of vector.signatures)
        outcomes.push([`addition ${at + 1}, ${why}`, (await verify(input, base64(signature))) === valid]);
      if (!isEs256) continue;
      const deviceKey = await es256Key(base64(vector.device_secret_key), publicKey);
      outcomes.push([`addition ${at + 1}, signed by the client`, await verify(input, await deviceKey.sign(input))]);
    }
  }
  return outcomes;
}

async function eddsaOutcomes(name: string, subtle: Subtle): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { publicKey, tests } of wycheproofEddsa.testGroups) {
    const verify = await verifierFor(hex(publicKey.pk), subtle);
    for (const { tcId, comment, msg, sig, result } of tests)
      outcomes.push([`${name} ${tcId} ${comment}`, (await verify(hex(msg), hex(sig))) === (result === "valid")]);
  }
  return outcomes;
}

async function es256Outcomes(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { publicKey, tests } of wycheproofEs256.testGroups) {
    const verify = await es256Verifier(hex(publicKey.uncompressed));
    for (const { tcId, comment, msg, sig, result } of tests)
      outcomes.push([`ES256 ${tcId} ${comment}`, (await verify(hex(msg), hex(sig))) === (result === "valid")]);
  }
  return outcomes;
}

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };

async function es256Verifier(publicKey: Bytes): Promise<(message: Bytes, signature: Uint8Array) => Promise<boolean>> {
  const key = await crypto.subtle.importKey("raw", publicKey, P256, false, ["verify"]);
  return (message, signature) => crypto.subtle.verify(ES256, key, new Uint8Array(signature), message);
}

async function es256Key(secret: Bytes, publicKey: Bytes): Promise<WebCryptoDeviceKey> {
  const [d = "", x = "", y = ""] = [secret, publicKey.subarray(1, 33), publicKey.subarray(33)].map(base64url);
  const key = await crypto.subtle.importKey("jwk", { kty: "EC", crv: "P-256", d, x, y }, P256, false, ["sign"]);
  return new WebCryptoDeviceKey("ES256", publicKey, key);
}

// Node 20 has no `Uint8Array.fromBase64` and no `Uint8Array.fromHex`.
function base64(text: string): Bytes {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function hex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
