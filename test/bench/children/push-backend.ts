/**
 * The backend of the push benchmarks. Every session is active and belongs to one user. `POST /push` sends that user one event,
 * `POST /push?session=` only that session.
 */
import { clientEvent, PushServer } from "../../unit/backend/support/push-server.ts";
import { answerParent, parameters } from "../child.ts";

const { publicKey } = parameters<{ publicKey: string }>();
const feed = await new PushServer().start();
let pushed = 0;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/push": {
      async POST(request) {
        const deviceSessionId = new URL(request.url).searchParams.get("session") ?? "";
        const event = { userId: "user-1", deviceSessionId, eventId: `event-${++pushed}`, payloadBytes: await request.bytes() };
        feed.push(clientEvent(event));
        return new Response();
      },
    },
    "/api/v1/internal/sessions/:id": ({ params }) =>
      Response.json({ device_session_id: params.id, user_id: "user-1", client_public_key: publicKey, status: "active" }),
  },
});
answerParent({ port: server.port ?? 0, pushUrl: feed.url });
