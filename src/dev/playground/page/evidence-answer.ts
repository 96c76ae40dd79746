import type { CommandResult } from "../../../client/index.ts";
import type { Attempt } from "./attempt.ts";
import { toHex } from "./bytes.ts";
import { h } from "./dom.ts";
import { block, facts, json, mono, RESPONSE_FRAMES, signingInput, timeText } from "./evidence-parts.ts";
import { explainTrustCheck } from "./explanations.ts";

/** Shows the answer and its signature if the client verified them. Otherwise, shows why there is no verified answer. */
export function answerEvidence({ outcome }: Attempt): HTMLElement[] {
  if (outcome.kind === "answered") return verifiedEvidence(outcome.result);
  if (outcome.kind === "refused") return [h("p", {}, "A refusal is an error of the protocol. It is not signed.")];
  if (outcome.kind === "failed") return [h("p", {}, "There was no answer.")];
  return [
    facts([
      ["Failed", mono(outcome.trustCheck)],
      ["Why", explainTrustCheck(outcome.trustCheck)],
    ]),
    h(
      "p",
      { class: "hint" },
      "The client discards such an answer and shows nothing of it. The command itself may have been executed.",
    ),
  ];
}

function verifiedEvidence({ resultCode, payload, requestId, replayed, evidence }: CommandResult): HTMLElement[] {
  const { keyId, timestampMs, payloadHash, signature } = evidence;
  return [
    block("Payload, verified", json(payload === undefined ? "" : JSON.stringify(payload, null, 2))),
    facts([
      ["Result code", mono(resultCode)],
      ["Answers request", mono(requestId)],
      ["Signed at", mono(`${timestampMs} (${timeText(timestampMs)})`)],
      ["Kept answer", replayed ? "yes, of an earlier attempt (this mark is not signed)" : "no"],
      ["Key id", mono(keyId)],
      ["Payload hash", mono(toHex(payloadHash))],
      ["Signature", mono(toHex(signature))],
    ]),
    ...signingInput(evidence.signingInput, RESPONSE_FRAMES),
  ];
}
