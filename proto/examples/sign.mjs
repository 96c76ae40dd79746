// Signs a request by proto/README.md, "What is signed". Needs Node.js (or Bun) alone.
//   node sign.mjs                                        prints the device's public key; makes the key first
//   node sign.mjs SESSION MESSAGE_TYPE [PAYLOAD]         prints the signed request as JSON
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

if (!existsSync("device.pem")) {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync("device.pem", pem, { mode: 0o600 });
}
const key = createPrivateKey(readFileSync("device.pem"));
const publicKey = createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);

const uint = (value, bits) =>
  Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(bits / 4, "0"),
    "hex",
  );
const frame = (field) => Buffer.concat([uint(Buffer.byteLength(field), 32), Buffer.from(field)]);

const [deviceSessionId, messageType, payload = ""] = process.argv.slice(2);
if (deviceSessionId === undefined) {
  console.log(publicKey.toString("base64"));
} else {
  const timestampMs = Date.now();
  const requestId = randomUUID();
  const payloadHash = createHash("sha256").update(payload).digest();
  const fields = ["sallyport.request.v1", "v1", deviceSessionId, messageType, uint(timestampMs, 64), requestId, payloadHash];
  const request = JSON.stringify({
    envelope: {
      protocolVersion: "v1",
      deviceSessionId,
      messageType,
      timestampMs: String(timestampMs),
      requestId,
      payloadHash: payloadHash.toString("base64"),
    },
    payloadBytes: Buffer.from(payload).toString("base64"),
    signature: sign(null, Buffer.concat(fields.map(frame)), key).toString("base64"),
  });
  // The one message of a stream is framed: a flag byte and its length. A unary call sends it bare.
  if (messageType === "gateway.subscribe") process.stdout.write(Buffer.concat([Buffer.alloc(1), frame(request)]));
  else console.log(request);
}
