import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Push, type PushEvent } from "../../src/gen/sallyport/v1/push_pb.ts";

export interface ForwardOptions {
  /** The push service of the embedded backend. */
  readonly pushUrl: string;
  /** Keeps the cursor of the last forwarded event. */
  readonly positionFile: string;
  /** The private listener of the gateway. */
  readonly publishUrl: string;
  readonly token: string;
}

/** Pause after a call that failed, in ms. */
const PAUSE_MS = 3;

/**
 * Publishes the push log of the embedded backend to a private listener, as a backend with an outbox does. A backend that is killed continues
 * after its stored position. Never returns.
 */
export async function forward(options: ForwardOptions): Promise<void> {
  const { pushUrl, positionFile } = options;
  const client = createClient(Push, createGrpcTransport({ baseUrl: pushUrl }));
  const store = (cursor: string) => {
    writeFileSync(`${positionFile}.next`, cursor);
    renameSync(`${positionFile}.next`, positionFile);
  };
  const cursor = existsSync(positionFile) ? readFileSync(positionFile, "utf8") : "";
  for await (const event of client.subscribePush({ gatewayId: "forwarder", cursor })) {
    while (!(await isAccepted(event, options))) await Bun.sleep(PAUSE_MS);
    store(event.cursor);
  }
}

async function isAccepted({ kind }: PushEvent, { publishUrl, token }: ForwardOptions): Promise<boolean> {
  if (kind.case === undefined) return true;
  const { userId: user_id, deviceSessionId: device_session_id } = kind.value;
  const audience = { ...(user_id !== "" && { user_id }), ...(device_session_id !== "" && { device_session_id }) };
  const isEvent = kind.case === "clientEvent";
  const event = isEvent && {
    event_type: kind.value.eventType,
    event_id: kind.value.eventId,
    payload_bytes: kind.value.payloadBytes.toBase64(),
  };
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const body = JSON.stringify({ ...audience, ...event });
  const path = isEvent ? "/publish" : "/revoke";
  const answer = await fetch(publishUrl + path, { method: "POST", headers, body }).catch(() => undefined);
  if (answer !== undefined && answer.status >= 400 && answer.status < 500) throw new Error(`${path}: ${await answer.text()}`);
  return answer?.status === 200;
}
