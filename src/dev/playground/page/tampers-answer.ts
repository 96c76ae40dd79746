import { confirmEmailCode, generateDeviceKey, sendEmailCode } from "../../../client/index.ts";
import type { Attempt } from "./attempt.ts";
import { fetchOutbox } from "./dev-calls.ts";
import { DeviceSession } from "./device-session.ts";
import type { Tamper, TamperParts } from "./tamper.ts";

const baseUrl = location.origin;

/** Attacks on the answer, after the backend has executed the command. The client detects the attack. */
export const ANSWER_TAMPERS: readonly Tamper[] = [
  {
    id: "changed-answer",
    title: "Change the answer",
    deed: "A proxy changes one letter of the answer.",
    lesson: "The gateway signs the hash of the payload, so one letter is enough.",
    caughtBy: "answer",
    run: async ({ session, command }) => session.send(await session.sign(command), withOneLetterChanged),
  },
  {
    id: "old-answer",
    title: "Repeat an old answer",
    deed: "A proxy sends the answer to an earlier request.",
    lesson: "The gateway did sign it, for another request id.",
    caughtBy: "answer",
    run: repeatOldAnswer,
  },
  {
    id: "foreign-answer",
    title: "Pass on another session's answer",
    deed: "Mallory sends the same command under the same request id, and passes on her answer.",
    lesson: "Each field of Mallory's answer fits, even the request id. But the gateway signed it for her session.",
    caughtBy: "answer",
    needsDev: true,
    run: passOnForeignAnswer,
  },
];

async function repeatOldAnswer({ session, command }: TamperParts): Promise<Attempt> {
  const first = await session.exchange(await session.sign(command));
  if (first.attempt.outcome.kind !== "answered") return first.attempt;
  return session.send(await session.sign(command), () => first.answer);
}

/** The session of the attacker Mallory. It is created only once, because the budgets for logins are small. */
let mallory: Promise<DeviceSession> | undefined;

async function passOnForeignAnswer(parts: TamperParts): Promise<Attempt> {
  const { session, command } = parts;
  mallory ??= logInAsMallory(parts);
  const other = await mallory.catch((error: unknown) => {
    mallory = undefined;
    throw error;
  });
  const signed = await session.sign(command);
  const { requestId } = signed.request.envelope;
  const foreign = await other.exchange(await other.sign(command, { requestId }));
  if (foreign.attempt.outcome.kind !== "answered") return foreign.attempt;
  return session.send(signed, () => foreign.answer);
}

async function logInAsMallory({ session, algorithms }: TamperParts): Promise<DeviceSession> {
  const { challengeId } = await sendEmailCode({ baseUrl, email: "mallory@example.com" });
  const mail = (await fetchOutbox()).find(({ challenge_id }) => challenge_id === challengeId);
  if (mail === undefined) throw new Error("the outbox has no mail for Mallory");
  const deviceKey = await generateDeviceKey({ algorithms });
  return new DeviceSession(await confirmEmailCode({ baseUrl, challengeId, code: mail.code, deviceKey }), session.limits);
}

/** Changes the first letter after `{"`, the start of a JSON object. Leaves the rest of the answer unchanged. */
function withOneLetterChanged(answer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(answer);
  const start = changed.findIndex((byte, at) => byte === 0x7b && changed[at + 1] === 0x22);
  const letter = changed[start + 2];
  if (start >= 0 && letter !== undefined) changed[start + 2] = letter ^ 1;
  return changed;
}
