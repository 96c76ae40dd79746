import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { sha256 } from "../client/bytes.ts";
import { SallyportClient } from "../client/client.ts";
import { generateDeviceKey } from "../client/device-key.ts";
import { type RefusalInfo, reasonOf } from "../client/errors.ts";
import { GatewayKeys } from "../client/gateway-keys.ts";
import { textMember } from "../client/json.ts";
import { confirmEmailCode, sendEmailCode } from "../client/login.ts";
import { payloadToBytes } from "../client/payload.ts";
import { getJson, postJson } from "../client/rest.ts";
import type { CommandResult } from "../client/verify.ts";
import { EventListener } from "./event-listener.ts";
import { codeName, describe, type Outcome, StorySteps, Unexpected } from "./scenario-steps.ts";

/** The story of `sallyport demo`: two people at the gateway's door, over the network, from login to shutdown. */

export interface StoryParts {
  /** Where the gateway serves RPC and public REST. */
  readonly edgeUrl: string;
  /** Where the embedded backend serves its REST. */
  readonly devBackendUrl: string;
  /** A transport to the gateway, one for each person. */
  readonly newTransport: () => Transport;
  /** Where each line goes. */
  readonly say: (line: string) => void;
  /** Stops the gateway. Called in the last step, and only there. */
  readonly stopGateway: () => Promise<void>;
  readonly stepTimeoutMs?: number;
  /** Milliseconds since some fixed moment, never stepping back. */
  readonly monotonic?: () => number;
}

interface Person {
  readonly name: string;
  readonly email: string;
  readonly deviceSessionId: string;
  readonly client: SallyportClient;
  readonly listener: EventListener;
}

type Reason = RefusalInfo["reason"];

const STEP_TIMEOUT_MS = 5_000;
const NAME = "Ada Lovelace";
const TEXT = "The drawbridge is down, come on in.";

/** Plays the story against a running gateway. `true`: every step held. */
export async function playStory(parts: StoryParts): Promise<boolean> {
  const { say, monotonic = () => performance.now(), stepTimeoutMs = STEP_TIMEOUT_MS } = parts;
  const leave = new AbortController();
  const steps = new StorySteps({ say, monotonic, stepTimeoutMs });
  try {
    const ada = await steps.play("Ada logs in with a code from her mailbox", () => logIn("Ada", parts, leave.signal));
    const bob = await steps.play("Bob logs in with a code from his", () => logIn("Bob", parts, leave.signal));
    if (ada === undefined || bob === undefined) return steps.summary(false);
    await playCommands(steps, ada);
    await playEvents(steps, ada, bob);
    await playAttacks(steps, ada);
    await playEndings(steps, ada, bob, parts);
    return steps.summary(true);
  } finally {
    leave.abort();
  }
}

async function playCommands(steps: StorySteps, ada: Person): Promise<void> {
  await steps.play("Ada reads her profile (GET)", async () => {
    const result = await ada.client.execute("user.profile.get");
    return answered(result, "ok", "email", ada.email);
  });
  await steps.play(`Ada calls herself ${NAME} (PATCH)`, async () => {
    const result = await ada.client.execute("user.profile.update", { display_name: NAME });
    return answered(result, "ok", "display_name", NAME);
  });
  await steps.play("Ada tries a name of no letters", async () => {
    const result = await ada.client.execute("user.profile.update", { display_name: "" });
    return answered(result, "display_name_empty", "code", "display_name_empty");
  });
}

async function playEvents(steps: StorySteps, ada: Person, bob: Person): Promise<void> {
  for (const { name, listener } of [ada, bob]) {
    await steps.play(`${name} subscribes to events`, async () => {
      const { eventType, audience } = await listener.next("gateway.server_time");
      return told(`${eventType} first, for ${audience}, signature verified`);
    });
  }
  await steps.play(`Ada writes to the room "lobby" (POST): "${TEXT}"`, async () => {
    const result = await ada.client.execute("chat.message.send", { room_id: "lobby", text: TEXT });
    return answered(result, "ok", "room_id", "lobby");
  });
  for (const { name, listener } of [bob, ada]) {
    await steps.play(`${name}'s stream brings the message`, async () => {
      const { eventType, audience, payload } = await listener.next("chat.message");
      same(`"${TEXT}"`, `"${textMember(payload, "text")}"`);
      return told(`${eventType} for ${audience}, signature verified`);
    });
  }
}

async function playAttacks(steps: StorySteps, ada: Person): Promise<void> {
  const { client } = ada;
  await steps.play("A stranger sends a request of Ada's a second time", async () => {
    const request = await client.sign("user.profile.get", payloadToBytes(undefined));
    await client.executeSigned(request);
    return refused("REQUEST_REPLAYED", Code.FailedPrecondition, client.executeSigned(request));
  });
  const forged = payloadToBytes({ display_name: "Mallory" });
  await steps.play("The stranger swaps the payload of another", async () => {
    const request = await client.sign("user.profile.update", payloadToBytes({ display_name: NAME }));
    return refused("PAYLOAD_HASH_MISMATCH", Code.InvalidArgument, client.executeSigned({ ...request, payloadBytes: forged }));
  });
  await steps.play("The stranger makes the hash fit the swapped payload", async () => {
    const request = await client.sign("user.profile.update", payloadToBytes({ display_name: NAME }));
    const envelope = { ...request.envelope, payloadHash: await sha256(forged) };
    const tampered = { ...request, envelope, payloadBytes: forged };
    return refused("SIGNATURE_INVALID", Code.Unauthenticated, client.executeSigned(tampered));
  });
  await steps.play("Ada looks whether anything came of it", async () => {
    return answered(await client.execute("user.profile.get"), "ok", "display_name", NAME);
  });
}

async function playEndings(steps: StorySteps, ada: Person, bob: Person, parts: StoryParts): Promise<void> {
  await steps.play("Ada loses her device; the backend revokes its session", async () => {
    const body = { device_session_id: ada.deviceSessionId };
    const [error] = await Promise.all([ada.listener.end(), postJson(urlOf(parts.devBackendUrl, "/dev/revoke"), body)]);
    return endedWith("SESSION_REVOKED", Code.FailedPrecondition, error);
  });
  await steps.play("The finder of the device tries a command", () =>
    refused("SESSION_REVOKED", Code.FailedPrecondition, ada.client.execute("user.profile.get")),
  );
  await steps.play("The gateway shuts down while Bob listens", async () => {
    const [error] = await Promise.all([bob.listener.end(), parts.stopGateway()]);
    return endedWith("SHUTTING_DOWN", Code.Unavailable, error);
  });
}

async function logIn(name: string, parts: StoryParts, signal: AbortSignal): Promise<Outcome<Person>> {
  const { edgeUrl: baseUrl, newTransport } = parts;
  const email = `${name.toLowerCase()}@example.com`;
  const { challengeId } = await sendEmailCode({ baseUrl, email, signal });
  const code = await readCode(parts.devBackendUrl, challengeId);
  const deviceKey = await generateDeviceKey();
  const credentials = await confirmEmailCode({ baseUrl, challengeId, code, deviceKey, signal });
  const client = new SallyportClient({ transport: newTransport(), credentials, keys: new GatewayKeys(baseUrl) });
  const { deviceSessionId } = credentials;
  const person = { name, email, deviceSessionId, client, listener: new EventListener(client, signal) };
  return { value: person, words: `session ${deviceSessionId}, bound to the device's key` };
}

/** Looks into the embedded backend's outbox, as a person looks into a mailbox. */
async function readCode(devBackendUrl: string, challengeId: string): Promise<string> {
  const mails = await getJson(urlOf(devBackendUrl, "/dev/outbox"));
  const mail = Array.isArray(mails) ? mails.find((one) => textMember(one, "challenge_id") === challengeId) : undefined;
  const code = textMember(mail, "code");
  if (code === undefined) throw new Unexpected("a mail with the code", "none in the outbox");
  return code;
}

/** The response, which the client has verified, is what it should be. */
function answered(result: CommandResult, resultCode: string, member: string, value: string): Outcome<void> {
  same(resultCode, result.resultCode);
  same(`${member} "${value}"`, `${member} "${textMember(result.payload, member)}"`);
  return told(`${resultCode}, ${member} "${value}", signature verified`);
}

async function refused(reason: Reason, code: Code, call: Promise<CommandResult>): Promise<Outcome<void>> {
  const error = await call.then(({ resultCode }) => new Unexpected("", `an answer: ${resultCode}`), thrown);
  return endedWith(reason, code, error, "refused with");
}

function endedWith(reason: Reason, code: Code, error: unknown, how = "stream ended with"): Outcome<void> {
  const expected = `${how} ${codeName(code)} ${reason}`;
  const isRight = error instanceof ConnectError && error.code === code && reasonOf(error) === reason;
  if (!isRight) throw new Unexpected(expected, error === undefined ? "an end without an error" : describe(error));
  return told(expected);
}

function same(expected: string, actual: string): void {
  if (actual !== expected) throw new Unexpected(expected, actual);
}

function told(words: string): Outcome<void> {
  return { value: undefined, words };
}

function thrown(error: unknown): unknown {
  return error;
}

function urlOf(baseUrl: string, path: string): string {
  return new URL(path, baseUrl).href;
}
