import type { PlaygroundSetup } from "../setup.ts";

/** Calls to the gateway that the contract does not define. Only `fetchSetup` works without `sallyport dev`. */

/** An e-mail with a login code. The embedded backend does not send e-mails, but lists them. */
export interface Mail {
  readonly email: string;
  readonly challenge_id: string;
  readonly code: string;
}

/** Who gets a pushed event, or whose sessions are revoked. */
export interface Target {
  readonly user_id?: string;
  readonly device_session_id?: string;
}

export async function fetchSetup(): Promise<PlaygroundSetup> {
  return get("/playground/setup");
}

/** Returns the latest e-mails, newest first. */
export async function fetchOutbox(): Promise<readonly Mail[]> {
  const mails: readonly Mail[] = await get("/playground/dev/outbox");
  return mails.toReversed();
}

export function pushEvent(target: Target, eventType: string, payload: unknown): Promise<void> {
  return post("/playground/dev/push", { ...target, event_type: eventType, payload });
}

export function revoke(target: Target): Promise<void> {
  return post("/playground/dev/revoke", { ...target, reason: "revoked in the playground" });
}

export function restartGateway(): Promise<void> {
  return post("/playground/dev/restart", {});
}

async function get<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

async function post(path: string, body: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
}
