import type { Transport } from "@connectrpc/connect";
import { sha256 } from "../client/bytes.ts";
import { SallyportClient } from "../client/client.ts";
import { GatewayError, type RefusalInfo, reasonOf } from "../client/errors.ts";
import { GatewayKeys } from "../client/gateway-keys.ts";
import { textMember } from "../client/json.ts";
import { confirmEmailCode, sendEmailCode } from "../client/login.ts";
import { payloadToBytes } from "../client/payload.ts";
import { getJson, postJson } from "../client/rest.ts";
import type { CommandResult } from "../client/verify.ts";
import { generateDeviceKey } from "../client/webcrypto-key.ts";
import { EventReader } from "./event-reader.ts";
import { describe, ScenarioSteps, type StepResult, UnexpectedResult } from "./scenario-steps.ts";

/** This file contains the scenario of `sallyport demo`: two clients use a gateway, from their login until the gateway stops. */

export interface ScenarioParts {
  /** Base URL of the gateway's RPC and public REST. */
  readonly edgeUrl: string;
  /** Base URL of the embedded backend's REST interface. */
  readonly devBackendUrl: string;
  /** Creates a connect-es transport to the gateway. The scenario calls this function once for each client. */
  readonly newTransport: () => Transport;
  readonly print: (line: string) => void;
  /** Stops the gateway. The scenario calls this function at most once, in its last step. */
  readonly stopGateway: () => Promise<void>;
  readonly stepTimeoutMs?: number | undefined;
  /** A monotonic clock, in milliseconds. */
  readonly monotonic?: () => number;
}

interface DemoUser {
  readonly name: string;
  readonly email: string;
  readonly deviceSessionId: string;
  readonly client: SallyportClient;
  readonly events: EventReader;
}

type Reason = RefusalInfo["reason"];

const STEP_TIMEOUT_MS = 5_000;
const NAME = "Ada Lovelace";
const TEXT = "Hello, Bob.";

/** Runs the scenario against a running gateway. Resolves to true if all steps passed. */
export async function runScenario(parts: ScenarioParts): Promise<boolean> {
  const { print, monotonic = () => performance.now(), stepTimeoutMs = STEP_TIMEOUT_MS } = parts;
  const finished = new AbortController();
  const steps = new ScenarioSteps({ print, monotonic, stepTimeoutMs });
  try {
    const ada = await steps.run("Ada logs in with a code from her mailbox", () => logIn("Ada", parts, finished.signal));
    const bob = await steps.run("Bob logs in with a code from his mailbox", () => logIn("Bob", parts, finished.signal));
    if (ada === undefined || bob === undefined) return steps.summary(false);
    await runCommands(steps, ada);
    await runEvents(steps, ada, bob);
    await runAttacks(steps, ada);
    await runEndings(steps, ada, bob, parts);
    return steps.summary(true);
  } finally {
    finished.abort();
  }
}

async function runCommands(steps: ScenarioSteps, ada: DemoUser): Promise<void> {
  await steps.run("Ada reads her profile (GET)", async () => {
    const result = await ada.client.execute("user.profile.get");
    return expectAnswer(result, "ok", "email", ada.email);
  });
  await steps.run(`Ada changes her name to ${NAME} (PATCH)`, async () => {
    const result = await ada.client.execute("user.profile.update", { display_name: NAME });
    return expectAnswer(result, "ok", "display_name", NAME);
  });
  await steps.run("Ada tries an empty name", async () => {
    const result = await ada.client.execute("user.profile.update", { display_name: "" });
    return expectAnswer(result, "display_name_empty", "code", "display_name_empty");
  });
}

async function runEvents(steps: ScenarioSteps, ada: DemoUser, bob: DemoUser): Promise<void> {
  for (const { name, events } of [ada, bob]) {
    await steps.run(`${name} subscribes to events`, async () => {
      const { eventType, audience } = await events.next("gateway.server_time");
      return success(`${eventType} first, for ${audience}, signature verified`);
    });
  }
  await steps.run(`Ada sends a message to the room "lobby" (POST): "${TEXT}"`, async () => {
    const result = await ada.client.execute("chat.message.send", { room_id: "lobby", text: TEXT });
    return expectAnswer(result, "ok", "room_id", "lobby");
  });
  for (const { name, events } of [bob, ada]) {
    await steps.run(`${name} receives the message`, async () => {
      const { eventType, audience, payload } = await events.next("chat.message");
      expectSame(`"${TEXT}"`, `"${textMember(payload, "text")}"`);
      return success(`${eventType} for ${audience}, signature verified`);
    });
  }
}

async function runAttacks(steps: ScenarioSteps, ada: DemoUser): Promise<void> {
  const { client } = ada;
  await steps.run("An attacker replays a request of Ada", async () => {
    const request = await client.sign("user.profile.get", payloadToBytes(undefined));
    await client.executeSigned(request);
    return expectRefusal("REQUEST_REPLAYED", "failed_precondition", client.executeSigned(request));
  });
  const forged = payloadToBytes({ display_name: "Mallory" });
  await steps.run("The attacker replaces the payload of a request", async () => {
    const request = await client.sign("user.profile.update", payloadToBytes({ display_name: NAME }));
    return expectRefusal(
      "PAYLOAD_HASH_MISMATCH",
      "invalid_argument",
      client.executeSigned({ ...request, payloadBytes: forged }),
    );
  });
  await steps.run("The attacker replaces the payload and its hash", async () => {
    const request = await client.sign("user.profile.update", payloadToBytes({ display_name: NAME }));
    const envelope = { ...request.envelope, payloadHash: await sha256(forged) };
    const tampered = { ...request, envelope, payloadBytes: forged };
    return expectRefusal("SIGNATURE_INVALID", "unauthenticated", client.executeSigned(tampered));
  });
  await steps.run("Ada checks that her name is unchanged", async () => {
    return expectAnswer(await client.execute("user.profile.get"), "ok", "display_name", NAME);
  });
}

async function runEndings(steps: ScenarioSteps, ada: DemoUser, bob: DemoUser, parts: ScenarioParts): Promise<void> {
  await steps.run("Ada loses her device; the backend revokes its session", async () => {
    const body = { device_session_id: ada.deviceSessionId };
    const [error] = await Promise.all([ada.events.end(), postJson(urlOf(parts.devBackendUrl, "/dev/revoke"), body)]);
    return expectError("SESSION_REVOKED", "failed_precondition", error);
  });
  await steps.run("The revoked device sends a command", () =>
    expectRefusal("SESSION_REVOKED", "failed_precondition", ada.client.execute("user.profile.get")),
  );
  await steps.run("The gateway shuts down while Bob is subscribed", async () => {
    const [error] = await Promise.all([bob.events.end(), parts.stopGateway()]);
    return expectError("SHUTTING_DOWN", "unavailable", error);
  });
}

async function logIn(name: string, parts: ScenarioParts, signal: AbortSignal): Promise<StepResult<DemoUser>> {
  const { edgeUrl: baseUrl, newTransport } = parts;
  const email = `${name.toLowerCase()}@example.com`;
  const { challengeId } = await sendEmailCode({ baseUrl, email, signal });
  const code = await readCode(parts.devBackendUrl, challengeId);
  const deviceKey = await generateDeviceKey();
  const credentials = await confirmEmailCode({ baseUrl, challengeId, code, deviceKey, signal });
  const client = new SallyportClient({ transport: newTransport(), credentials, keys: new GatewayKeys(baseUrl) });
  const { deviceSessionId } = credentials;
  const user = { name, email, deviceSessionId, client, events: new EventReader(client, signal) };
  return { value: user, description: `session ${deviceSessionId}, bound to the device's key` };
}

/** Reads the login code with `GET /dev/outbox`, because the embedded backend sends no e-mails. */
async function readCode(devBackendUrl: string, challengeId: string): Promise<string> {
  const mails = await getJson(urlOf(devBackendUrl, "/dev/outbox"));
  const mail = Array.isArray(mails) ? mails.find((one) => textMember(one, "challenge_id") === challengeId) : undefined;
  const code = textMember(mail, "code");
  if (code === undefined) throw new UnexpectedResult("a mail with the code", "none in the outbox");
  return code;
}

/** Checks the result code and one payload field of a response. The client has already verified the signature. */
function expectAnswer(result: CommandResult, resultCode: string, member: string, value: string): StepResult<void> {
  expectSame(resultCode, result.resultCode);
  expectSame(`${member} "${value}"`, `${member} "${textMember(result.payload, member)}"`);
  return success(`${resultCode}, ${member} "${value}", signature verified`);
}

async function expectRefusal(reason: Reason, code: string, call: Promise<CommandResult>): Promise<StepResult<void>> {
  const error = await call.then(
    ({ resultCode }) => new UnexpectedResult("", `an answer: ${resultCode}`),
    (error: unknown) => error,
  );
  return expectError(reason, code, error, "refused with");
}

function expectError(reason: Reason, code: string, error: unknown, how = "stream ended with"): StepResult<void> {
  const expected = `${how} ${code.toUpperCase()} ${reason}`;
  const isRight = error instanceof GatewayError && error.code === code && reasonOf(error) === reason;
  if (!isRight) throw new UnexpectedResult(expected, error === undefined ? "an end without an error" : describe(error));
  return success(expected);
}

function expectSame(expected: string, actual: string): void {
  if (actual !== expected) throw new UnexpectedResult(expected, actual);
}

function success(description: string): StepResult<void> {
  return { value: undefined, description };
}

function urlOf(baseUrl: string, path: string): string {
  return new URL(path, baseUrl).href;
}
