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
  const outbox: { challenge_id: string; code: string }[] = await (await fetch(`${backendUrl}/dev/outbox`)).json();
  return { challengeId, code: outbox.find((mail) => mail.challenge_id === challengeId)?.code ?? "" };
}
