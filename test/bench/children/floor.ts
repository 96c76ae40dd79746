/**
 * The floor: the least work of any gateway. It reads the body, hashes, verifies, calls the backend, hashes, signs, and answers with as many
 * bytes as the gateway. It has no decoding, checks, stores, encoding or log.
 */
import { privateKeyObject, rawPublicKey, sha256, signEd25519, verifyingKey } from "../../../src/crypto/ed25519.ts";
import { answerParent, parameters } from "../child.ts";

const { backendUrl, replyBytes } = parameters<{ backendUrl: string; replyBytes: number }>();
const key = privateKeyObject(new Uint8Array(32).fill(7));
const verifier = verifyingKey(rawPublicKey(key));
const signingInput = new Uint8Array(180).fill(1);
const signature = signEd25519(signingInput, key);
const reply = new Uint8Array(replyBytes);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const body = await request.bytes();
    sha256(body);
    if (!verifier.verify(signingInput, signature)) throw new Error("the floor does not verify");
    const answer = await fetch(`${backendUrl}/api/v1/user/profile`);
    sha256(await answer.bytes());
    signEd25519(signingInput, key);
    return new Response(reply, { headers: { "content-type": "application/proto" } });
  },
});
answerParent({ port: server.port ?? 0 });
