import { member, numberMember, textMember } from "../client/json.ts";
import { getJson } from "../client/rest.ts";
import { helpOf } from "./arguments/help.ts";
import { type ClientContext, runClientCommand } from "./client-command.ts";
import { CommandFailure, EXIT, type ExitCode } from "./exit-code.ts";
import type { RecordFields } from "./output/output.ts";
import { keyIdOf } from "./profile/device-key-file.ts";
import { openSession, type Session } from "./session/profile-session.ts";
import { WHOAMI } from "./specs/whoami.ts";

export const HELP = helpOf(WHOAMI);

const TIMEOUT_MS = 15_000;

/** `sallyport whoami`: sends a signed request. Shows the profile, and the gateway's answer. */
export function run(args: readonly string[]): Promise<number> {
  return runClientCommand(WHOAMI, args, async (context, parsed): Promise<ExitCode> => {
    const session = await openSession(context, parsed);
    const local = await localFields(context, session);
    const remote = parsed.has("offline") ? {} : await remoteFields(context, session);
    await context.output.record({ ...local, ...remote });
    return EXIT.done;
  });
}

async function localFields({ profile }: ClientContext, { login, url }: Session): Promise<RecordFields> {
  const { deviceKey } = login.credentials;
  return {
    profile: profile.name,
    url,
    email: login.email ?? null,
    device_session_id: login.deviceSessionId,
    key_algorithm: deviceKey.algorithm,
    key_id: keyIdOf(deviceKey),
    file: profile.loginPath,
  };
}

/**
 * Opens an event stream and reads its first event, which contains the user id and the gateway's time. A stream is used because
 * every session may open one, and because a stream changes nothing at the gateway.
 */
async function remoteFields(context: ClientContext, { client, url }: Session): Promise<RecordFields> {
  const { trace, fetch } = context;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = AbortSignal.any([context.signal, timeout]);
  try {
    const startMs = performance.now();
    for await (const event of client.openStream({ signal })) {
      const receivedMs = Date.now();
      trace?.event(event);
      const serverTimeMs = numberMember(event.payload, "server_time_ms") ?? event.timestampMs;
      return {
        user_id: textMember(event.payload, "user_id") ?? null,
        clock_offset_ms: receivedMs - serverTimeMs,
        clock_error_ms: Math.ceil(performance.now() - startMs),
        answer_key_id: event.evidence.keyId,
        gateway_key_ids: keyIds(await getJson(new URL("/.well-known/jwks.json", url).href, { fetch, signal })),
      };
    }
  } catch (error) {
    if (timeout.aborted && !context.signal.aborted)
      throw new CommandFailure(EXIT.timeout, `no answer from ${url} in time; try again`);
    throw error;
  }
  throw new CommandFailure(EXIT.network, `${url} ended the stream without an event; try again`);
}

function keyIds(keySet: Awaited<ReturnType<typeof getJson>>): string[] {
  const keys = member(keySet, "keys");
  return Array.isArray(keys) ? keys.map((key) => textMember(key, "kid") ?? "").filter((kid) => kid !== "") : [];
}
