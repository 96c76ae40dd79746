/** A fast backend with one session and one profile, and the embedded backend's push feed. */
import { startDevBackend } from "../../../src/dev/backend.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";
import { answerParent, parameters } from "../child.ts";

const { publicKey } = parameters<{ publicKey: string }>();
const anyPort = { host: "127.0.0.1", port: 0 };
const dev = await startDevBackend({ restListen: anyPort, pushListen: anyPort, database: ":memory:", log: SILENT_LOG });
const profile = JSON.stringify({ user_id: "user-1", email: "ada@example.com", display_name: "Ada Lovelace" });
const headers = { "content-type": "application/json" };

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/api/v1/user/profile": () => new Response(profile, { headers }),
    "/api/v1/user/orders": async (request) => Response.json({ bytes: (await request.bytes()).byteLength }),
    "/api/v1/internal/sessions/:id": ({ params }) =>
      Response.json({ device_session_id: params.id, user_id: "user-1", client_public_key: publicKey, status: "active" }),
  },
});
answerParent({ port: server.port ?? 0, pushUrl: dev.pushUrl });
