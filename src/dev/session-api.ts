import { ApiError, type Endpoints } from "./api.ts";
import type { DeviceSessions } from "./device-sessions.ts";

/** Creates the endpoint for session look-ups by the gateway (proto/backend.md, "Backend REST"). */
export function sessionApi(sessions: DeviceSessions): Endpoints {
  return {
    "/api/v1/internal/sessions/:id": {
      GET: ({ params }) => {
        const session = sessions.find(params["id"] ?? "");
        if (session === undefined) throw new ApiError(404, "session_unknown", "unknown device session");
        return { status: 200, body: session };
      },
    },
  };
}
