import { textMember } from "../client/json.ts";
import type { CommandResult } from "../client/verify.ts";
import { isIdempotencyKey, isMessageType, isReservedType } from "../core/grammar.ts";
import { utf8Text } from "../core/json-body.ts";
import { helpOf } from "./arguments/help.ts";
import type { Arguments } from "./arguments/parse.ts";
import { parseDuration, UsageError } from "./arguments/parse.ts";
import { type ClientContext, runClientCommand } from "./client-command.ts";
import { CommandFailure, EXIT, type ExitCode } from "./exit-code.ts";
import { minifiedJson } from "./output/json-format.ts";
import { printableLine } from "./output/printable.ts";
import { readPayload } from "./payload-argument.ts";
import { openSession } from "./session/profile-session.ts";
import { CALL } from "./specs/call.ts";

export const HELP = helpOf(CALL);

/** `sallyport call`: sends a signed command and prints its verified answer. */
export function run(args: readonly string[]): Promise<number> {
  return runClientCommand(CALL, args, async (context, parsed) => {
    const { messageType, idempotencyKey, timeoutMs } = checked(parsed);
    const payload = await readPayload(parsed.positionals[1], parsed.has("raw-payload"), context.signal);
    const { client } = await openSession(context, parsed);
    context.messageType = messageType;
    const { signal } = context;
    const result = await client.execute(messageType, payload, { idempotencyKey, timeoutMs, signal });
    context.trace?.answer(result);
    // Stores the message type for shell completion. An error is ignored, because the call itself has succeeded.
    await context.profile.rememberMessageType(messageType).catch(() => {});
    await print(context, parsed, result);
    return exitCodeOf(context, result);
  });
}

function checked(args: Arguments) {
  const messageType = args.positionals[0] ?? "";
  if (!isMessageType(messageType)) throw new UsageError("TYPE must be words and dots, such as user.profile.get");
  if (isReservedType(messageType)) throw new UsageError("types that start with gateway. are no commands; use sallyport listen");
  const idempotencyKey = args.value("idempotency-key");
  if (idempotencyKey !== undefined && !isIdempotencyKey(idempotencyKey))
    throw new UsageError("--idempotency-key must be 8 to 128 characters of A-Z, a-z, 0-9, _ and -");
  const timeout = args.value("timeout");
  return { messageType, idempotencyKey, timeoutMs: timeout === undefined ? undefined : parseDuration("timeout", timeout) };
}

async function print({ output }: ClientContext, args: Arguments, result: CommandResult): Promise<void> {
  if (args.has("raw")) return output.write(result.payloadBytes);
  const text = payloadText(result);
  if (!args.has("full")) return output.json(text);
  const { resultCode, requestId, replayed, evidence } = result;
  const { timestampMs, keyId } = evidence;
  const rest = { result_code: resultCode, request_id: requestId, timestamp_ms: timestampMs, key_id: keyId, replayed };
  return output.json(`${JSON.stringify(rest).slice(0, -1)},"payload":${minifiedJson(text)}}`);
}

/** The payload as it was received, so that numbers keep all their digits. An empty payload is `null`. */
function payloadText({ payload, payloadBytes }: CommandResult): string {
  if (payloadBytes.byteLength === 0) return "null";
  const text = payload === undefined ? undefined : utf8Text(payloadBytes);
  if (text === undefined)
    throw new CommandFailure(EXIT.failed, "the answer is verified, but is not JSON; --raw prints its bytes");
  return text.trim();
}

function exitCodeOf({ output }: ClientContext, { resultCode, payload }: CommandResult): ExitCode {
  if (resultCode === "ok") return EXIT.done;
  const message = textMember(payload, "message") ?? "the backend refused the command";
  output.note(`${output.noteStyle.bad("sallyport:")} ${printableLine(resultCode)}: ${printableLine(message)} (business error)`);
  return EXIT.business;
}
