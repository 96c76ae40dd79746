import { confirmEmailCode, SallyportClient, sendEmailCode } from "sallyport-client";

/** What each project of the test does with the installed package: log in, execute, receive. */

export async function startLogin(baseUrl, email) {
  return (await sendEmailCode({ baseUrl, email })).challengeId;
}

export function finishLogin(baseUrl, challengeId, code, deviceKey) {
  return confirmEmailCode({ baseUrl, challengeId, code, deviceKey });
}

/** Sends a message to a room, and waits for its event. */
export async function useSession(baseUrl, credentials) {
  const client = new SallyportClient({ baseUrl, credentials });
  const events = client.subscribe({ gatewayEvents: true });
  const { value: first } = await events.next();
  const profile = await client.execute("user.profile.get");
  const sent = await client.execute(
    "chat.message.send",
    { room_id: "lobby", text: "hello" },
    { idempotencyKey: crypto.randomUUID() },
  );
  for await (const { eventType, payload } of events) {
    if (eventType !== "chat.message") continue;
    return { first: first.eventType, profile: profile.payload.email, sent: sent.resultCode, received: payload.text };
  }
}
