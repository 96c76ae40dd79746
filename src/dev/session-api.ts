import { ApiError, type Endpoints } from "./api.ts";
import type { DeviceSessions } from "./device-sessions.ts";

/** PROTOCOL (proto/README.md), "Backend REST": the gateway's look-up of a session. */
export function sessionApi(sessions: DeviceSessions): Endpoints {
  return {
    "/api/v1/internal/sessions/:id": {
      GET: ({ params }) => {
        const session = sessions.find(params.id ?? "");
        if (session === undefined) throw new ApiError(404, "session_unknown", "there is no such device session");
        return { status: 200, body: session };
      },
    },
  };
}
