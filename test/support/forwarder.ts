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

/** Maximum number of events in one call. */
const BATCH_MAX = 200;

/**
 * Publishes the push log of the embedded backend to a private listener, as a backend with an outbox does. A backend that is killed continues
 * after its stored position. Ends with the push service.
 */
export async function forward(options: ForwardOptions): Promise<void> {
  const { pushUrl, positionFile } = options;
  const waiting: PushEvent[] = [];
  void publishAll(waiting, options);
  const client = createClient(Push, createGrpcTransport({ baseUrl: pushUrl }));
  const cursor = existsSync(positionFile) ? readFileSync(positionFile, "utf8") : "";
  for await (const event of client.subscribePush({ gatewayId: "forwarder", cursor })) waiting.push(event);
}

/** Publishes the messages in order, several in one call, each call until it is accepted. Never returns. */
async function publishAll(waiting: PushEvent[], options: ForwardOptions): Promise<never> {
  for (;;) {
    const batch = takeBatch(waiting);
    const last = batch.at(-1);
    if (last === undefined) {
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    while (!(await isAccepted(batch, options))) await Bun.sleep(PAUSE_MS);
    writeFileSync(`${options.positionFile}.next`, last.cursor);
    renameSync(`${options.positionFile}.next`, options.positionFile);
  }
}

/** Removes the first messages of one kind. */
function takeBatch(waiting: PushEvent[]): PushEvent[] {
  const kind = waiting[0]?.kind.case;
  const other = waiting.findIndex((each) => each.kind.case !== kind);
  return waiting.splice(0, Math.min(other < 0 ? waiting.length : other, BATCH_MAX));
}

async function isAccepted(batch: readonly PushEvent[], { publishUrl, token }: ForwardOptions): Promise<boolean> {
  const items = batch.flatMap(({ kind }) => itemOf(kind) ?? []);
  if (items.length === 0) return true;
  const isEvent = batch[0]?.kind.case === "clientEvent";
  const [path, body] = isEvent ? ["/publish", { events: items }] : ["/revoke", { revocations: items }];
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const request = { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(publishUrl + path, request).catch(() => undefined);
  if (answer !== undefined && answer.status >= 400 && answer.status < 500) throw new Error(`${path}: ${await answer.text()}`);
  return answer?.status === 200;
}

function itemOf(kind: PushEvent["kind"]): object | undefined {
  if (kind.case === undefined) return undefined;
  const { userId: user_id, deviceSessionId: device_session_id } = kind.value;
  const audience = { ...(user_id !== "" && { user_id }), ...(device_session_id !== "" && { device_session_id }) };
  if (kind.case === "sessionInvalidation") return audience;
  const { eventType: event_type, eventId: event_id, payloadBytes } = kind.value;
  return { ...audience, event_type, event_id, payload_bytes: payloadBytes.toBase64() };
}
