// Signs a request by proto/README.md, "What is signed". Needs Node.js (or Bun) alone.
//   node sign.mjs                                        prints the device's public key; makes the key first
//   node sign.mjs SESSION MESSAGE_TYPE [PAYLOAD [KEY]]   prints the signed request as JSON; KEY is an idempotency_key
// With --es256 before the other arguments, it uses an ES256 key (P-256) of the device instead of its EdDSA key (Ed25519).
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const isEs256 = process.argv[2] === "--es256";
const [deviceSessionId, messageType, payload = "", idempotencyKey = ""] = process.argv.slice(isEs256 ? 3 : 2);

const file = isEs256 ? "device-es256.pem" : "device.pem";
if (!existsSync(file)) {
  const { privateKey } = isEs256 ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
}
const key = createPrivateKey(readFileSync(file));
// The DER of a public key ends with its raw bytes: 65 of a P-256 point in uncompressed form, or 32 of an Ed25519 key.
const publicKey = createPublicKey(key)
  .export({ type: "spki", format: "der" })
  .subarray(isEs256 ? -65 : -32);
// node:crypto writes ECDSA signatures in DER by default. The contract has R ‖ S, which is the encoding of IEEE P1363.
const signatureOf = (input) => (isEs256 ? sign("sha256", input, { key, dsaEncoding: "ieee-p1363" }) : sign(null, input, key));

const uint = (value, bits) =>
  Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(bits / 4, "0"),
    "hex",
  );
const frame = (field) => Buffer.concat([uint(Buffer.byteLength(field), 32), Buffer.from(field)]);

if (deviceSessionId === undefined) {
  console.log(publicKey.toString("base64"));
} else {
  const timestampMs = Date.now();
  const requestId = randomUUID();
  const payloadHash = createHash("sha256").update(payload).digest();
  const fields = ["sallyport.request.v1", "v1", deviceSessionId, messageType, uint(timestampMs, 64), requestId, payloadHash];
  if (idempotencyKey !== "") fields.push(idempotencyKey);
  const request = JSON.stringify({
    envelope: {
      protocolVersion: "v1",
      deviceSessionId,
      messageType,
      timestampMs: String(timestampMs),
      requestId,
      payloadHash: payloadHash.toString("base64"),
      idempotencyKey,
    },
    payloadBytes: Buffer.from(payload).toString("base64"),
    signature: signatureOf(Buffer.concat(fields.map(frame))).toString("base64"),
  });
  // The one message of a stream is framed: a flag byte and its length. A unary call sends it bare.
  if (messageType === "gateway.subscribe") process.stdout.write(Buffer.concat([Buffer.alloc(1), frame(request)]));
  else console.log(request);
}
