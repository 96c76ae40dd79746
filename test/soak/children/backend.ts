/** The soak's backend: every session is active and belongs to one user, and the push feed sends no events. */
import { PushServer } from "../../unit/backend/support/push-server.ts";
import { answerParent, parameters } from "../child.ts";

const { publicKey } = parameters<{ publicKey: string }>();
const feed = await new PushServer().start();
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/api/v1/internal/sessions/:id": ({ params }) =>
      Response.json({ device_session_id: params.id, user_id: "user-1", client_public_key: publicKey, status: "active" }),
  },
});

export interface BackendAnswers {
  addresses(): { readonly backendUrl: string; readonly pushUrl: string };
}

answerParent({
  addresses: () => ({ backendUrl: `http://127.0.0.1:${server.port}`, pushUrl: feed.url }),
} satisfies BackendAnswers);
