import { generateDeviceKey } from "../../../client/index.ts";
import type { Attempt } from "./attempt.ts";
import { fromText, sha256 } from "./bytes.ts";
import { altered, type Command } from "./device-session.ts";
import { FLOOD_COMMANDS, flood } from "./flood.ts";
import { sendGarbage } from "./garbage.ts";
import type { Tamper, TamperParts } from "./tamper.ts";

const OLD_MS = 10 * 60_000;

/** Attacks on the request, in the order of the checks that stop them. */
export const REQUEST_TAMPERS: readonly Tamper[] = [
  {
    id: "garbage",
    title: "Send garbage",
    deed: "Bytes that are no request at all.",
    lesson: "The failure is charged to this address. After too many failures, the gateway refuses before it reads the body.",
    caughtBy: 0,
    run: sendGarbage,
  },
  {
    id: "short-id",
    title: "Break a rule",
    deed: "A request id of one character.",
    lesson: "A request id has at least 8 characters. The later checks, such as the signature, do not run.",
    caughtBy: 1,
    run: async ({ session, command }) => session.send(await session.sign(command, { requestId: "x" })),
  },
  {
    id: "foreign-session",
    title: "Invent a session",
    deed: "A session id that nobody logged in.",
    lesson: "A session id must come from a login. Then the key of that login must have signed.",
    caughtBy: 2,
    run: async ({ session, command }) =>
      session.send(
        altered(await session.sign(command), ({ envelope, ...rest }) => ({
          ...rest,
          envelope: { ...envelope, deviceSessionId: "ds-invented-by-the-playground" },
        })),
      ),
  },
  {
    id: "swapped-payload",
    title: "Swap the payload",
    deed: "A proxy replaces the payload and leaves the rest.",
    lesson: "The envelope holds the hash of the payload that the device signed.",
    caughtBy: 3,
    run: async ({ session, command }) =>
      session.send(altered(await session.sign(command), (request) => ({ ...request, payloadBytes: swapped(command) }))),
  },
  {
    id: "swapped-hash",
    title: "Swap payload and hash",
    deed: "A proxy replaces the payload and its hash.",
    lesson: "The hash fits the payload now. But the hash is part of what the device signed, and the proxy cannot sign.",
    caughtBy: 4,
    run: swapPayloadAndHash,
  },
  {
    id: "wrong-key",
    title: "Use another key",
    deed: "An attacker knows the session id and signs with another key.",
    lesson: "The request is well-formed and fresh. A session accepts only the key of its login.",
    caughtBy: 4,
    run: async ({ session, command }) => session.send(await session.sign(command, { deviceKey: await generateDeviceKey() })),
  },
  {
    id: "stale-clock",
    title: "Set the clock back",
    deed: "A request that was signed ten minutes ago.",
    lesson: "The signature is valid, but the timestamp is too old. So a recorded request is of no use later.",
    caughtBy: 5,
    run: async ({ session, command }) => session.send(await session.sign(command, { timestampMs: session.now() - OLD_MS })),
  },
  {
    id: "replay",
    title: "Replay it",
    deed: "The same signed bytes, sent twice.",
    lesson: "The first copy was executed and reserved the request id. The second copy is the same, and is refused.",
    caughtBy: 6,
    run: replay,
  },
  {
    id: "flood",
    title: `Send ${FLOOD_COMMANDS} at once`,
    deed: "Every one of them valid and signed.",
    lesson: "A budget is empty. It fills again at its rate.",
    caughtBy: 7,
    run: flood,
  },
  {
    id: "unknown-type",
    title: "Call the unknown",
    deed: "A message type that no route serves.",
    lesson: "The gateway calls the backend only for routes that its configuration names.",
    caughtBy: 8,
    run: ({ session }) => session.execute({ messageType: "admin.users.delete", payloadText: "" }),
  },
];

async function swapPayloadAndHash({ session, command }: TamperParts): Promise<Attempt> {
  const payloadBytes = swapped(command);
  const payloadHash = await sha256(payloadBytes);
  const signed = await session.sign(command);
  return session.send(
    altered(signed, ({ envelope, signature }) => ({ envelope: { ...envelope, payloadHash }, payloadBytes, signature })),
  );
}

async function replay({ session, command }: TamperParts): Promise<Attempt> {
  const signed = await session.sign(command);
  const first = await session.send(signed);
  return first.outcome.kind === "answered" ? session.send(signed) : first;
}

/** Returns the payload that a hostile proxy sends instead of the signed payload. */
function swapped({ payloadText }: Command): Uint8Array {
  return fromText(payloadText.includes("Mallory") ? '{"swapped":true}' : '{"display_name":"Mallory"}');
}
