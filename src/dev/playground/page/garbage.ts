import { type Attempt, type Outcome, outcomeOf } from "./attempt.ts";
import { fromText } from "./bytes.ts";
import type { TamperParts } from "./tamper.ts";
import { Wire } from "./wire.ts";

const EXECUTE_PATH = "/sallyport.v1.Gateway/ExecuteCommand";
const GARBAGE = "this is no request";

/** Sends bytes that are no message. The client library cannot send such bytes, so this function does not use it. */
export async function sendGarbage({ session }: TamperParts): Promise<Attempt> {
  const wire = new Wire();
  const headers = { "content-type": "application/proto", "connect-protocol-version": "1" };
  const atMs = Date.now();
  const outcome = await wire
    .fetch(EXECUTE_PATH, { method: "POST", headers, body: fromText(GARBAGE) })
    .then(unreadableOutcome)
    .catch((error: unknown) => outcomeOf(error, session.limits));
  const { exchange } = wire;
  return { title: "", messageType: "", payloadText: GARBAGE, atMs, signed: undefined, exchange, outcome };
}

/** Reads the gateway's error. In the Connect protocol, it is JSON with a code and a text. */
async function unreadableOutcome(response: Response): Promise<Outcome> {
  const { code = "unknown", message = "" }: { code?: string; message?: string } = await response.json();
  const refusal = { reason: undefined, code, text: message, metadata: {}, retryAfterMs: undefined };
  return { kind: "refused", check: 0, refusal };
}
