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

/** The code in the embedded backend's outbox; empty if there is none for this challenge. */
export async function outboxCode(backendUrl: string, challengeId: string): Promise<string> {
  const outbox: { challenge_id: string; code: string }[] = await (await fetch(`${backendUrl}/dev/outbox`)).json();
  return outbox.find((mail) => mail.challenge_id === challengeId)?.code ?? "";
}
