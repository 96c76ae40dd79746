import type { Attempt, Signed } from "./attempt.ts";
import { areEqual, sha256, toHex } from "./bytes.ts";
import type { DeviceSession } from "./device-session.ts";
import { h } from "./dom.ts";
import { block, facts, json, mark, mono, REQUEST_FRAMES, signingInput, table } from "./evidence-parts.ts";

/** Functions that show the data of checks 0 to 4, one function for each check. */

export function transportEvidence({ exchange, outcome, signed }: Attempt): HTMLElement[] {
  const status = exchange?.status;
  return [
    facts([
      ["Call", mono(`POST ${exchange?.path ?? ""}`)],
      ["Protocol", "Connect, binary messages"],
      ["Sent", `${exchange?.sentBytes ?? 0} bytes`],
      ["HTTP status", status === undefined ? "no answer" : String(status)],
      ["Took", `${(exchange?.durationMs ?? 0).toFixed(1)} ms`],
      [
        "Refused as",
        outcome.kind === "refused" && outcome.check === 0
          ? mono(`${outcome.refusal.code}: ${outcome.refusal.text}`)
          : undefined,
      ],
    ]),
    signed === undefined
      ? h("p", { class: "hint" }, "These bytes are no message of the contract.")
      : h("p", { class: "hint" }, "The failure budget of this address is looked at before the body is read."),
  ];
}

const RULES: Readonly<Record<string, string>> = {
  protocol_version: "v1",
  device_session_id: "1 to 128 of A-Z a-z 0-9 . _ ~ -",
  message_type: "two or more words with dots, not gateway.…",
  timestamp_ms: "greater than 0",
  request_id: "8 to 128 of A-Z a-z 0-9 _ -",
  payload_hash: "exactly 32 bytes",
  idempotency_key: "empty, or as request_id",
};

export function envelopeEvidence({ signed, outcome }: Attempt): HTMLElement[] {
  if (signed === undefined) return [];
  const field = outcome.kind === "refused" && outcome.check === 1 ? outcome.refusal.metadata["field"] : undefined;
  const rows = envelopeFields(signed).map(([name, value]) => [
    name,
    mono(value === "" ? "(empty)" : value),
    h("span", {}, RULES[name] ?? "", name === field ? h("strong", { class: "mark-bad" }, " ✗ broken") : undefined),
  ]);
  return [table(["Field", "Value", "Rule"], rows, "The fields of the envelope")];
}

function envelopeFields({ request: { envelope } }: Signed): [string, string][] {
  return [
    ["protocol_version", envelope.protocolVersion],
    ["device_session_id", envelope.deviceSessionId],
    ["message_type", envelope.messageType],
    ["timestamp_ms", String(envelope.timestampMs)],
    ["request_id", envelope.requestId],
    ["payload_hash", toHex(envelope.payloadHash)],
    ["idempotency_key", envelope.idempotencyKey ?? ""],
  ];
}

export function sessionEvidence({ signed }: Attempt, session: DeviceSession | undefined): HTMLElement[] {
  if (signed === undefined) return [];
  const isOwn = signed.request.envelope.deviceSessionId === session?.credentials.deviceSessionId;
  const userId = isOwn ? session?.userId : undefined;
  return [
    facts([
      ["Session id", mono(signed.request.envelope.deviceSessionId)],
      ["User", userId === undefined ? undefined : mono(userId)],
      ["Look-up", "at the backend, then from a cache that each revocation clears"],
    ]),
  ];
}

export async function payloadEvidence({ signed }: Attempt): Promise<HTMLElement[]> {
  if (signed === undefined) return [];
  const { payloadBytes, envelope } = signed.request;
  const computed = await sha256(payloadBytes);
  return [
    block(`Payload as sent, ${payloadBytes.length} bytes`, json(new TextDecoder().decode(payloadBytes))),
    facts([
      ["SHA-256 of it", mono(toHex(computed))],
      ["In the envelope", mono(toHex(envelope.payloadHash))],
      ["", mark(areEqual(computed, envelope.payloadHash), "equal", "not equal")],
    ]),
  ];
}

export function signatureEvidence({ signed }: Attempt): HTMLElement[] {
  if (signed === undefined) return [];
  const { publicKey, sessionPublicKey, algorithm, request } = signed;
  return [
    facts([
      ["Signature", mono(toHex(request.signature))],
      ["Algorithm", algorithm === "ES256" ? "ES256: ECDSA on P-256 with SHA-256" : "EdDSA: Ed25519"],
      ["Signed with key", mono(toHex(publicKey))],
      ["", mark(areEqual(publicKey, sessionPublicKey), "the key of this session", "not the key of this session")],
    ]),
    ...signingInput(signed.signingInput, REQUEST_FRAMES),
  ];
}
