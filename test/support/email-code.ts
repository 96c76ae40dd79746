import { sendEmailCode } from "../../src/client/login.ts";
import type { FetchFunction } from "./world.ts";

/** A login that was started, with the code of its e-mail. */
export interface EmailCode {
  readonly challengeId: string;
  readonly code: string;
}

/** Starts a login, and reads its code from the embedded backend's outbox. */
export async function requestEmailCode(
  baseUrl: string,
  backendUrl: string,
  email: string,
  fetchEdge: FetchFunction,
): Promise<EmailCode> {
  const { challengeId } = await sendEmailCode({ baseUrl, email, fetch: fetchEdge });
  return { challengeId, code: await outboxCode(backendUrl, challengeId) };
}

interface Mail {
  readonly challenge_id: string;
  readonly email: string;
  readonly code: string;
}

/** The code in the embedded backend's outbox; empty if there is none for this challenge. */
export function outboxCode(backendUrl: string, challengeId: string): Promise<string> {
  return codeOf(backendUrl, (mail) => mail.challenge_id === challengeId);
}

/** The code in the embedded backend's outbox; empty if there is none for this address. */
export function mailedCode(backendUrl: string, email: string): Promise<string> {
  return codeOf(backendUrl, (mail) => mail.email === email);
}

async function codeOf(backendUrl: string, matches: (mail: Mail) => boolean): Promise<string> {
  const outbox: Mail[] = await (await fetch(`${backendUrl}/dev/outbox`)).json();
  return outbox.find(matches)?.code ?? "";
}
