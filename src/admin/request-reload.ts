import { isJsonContent } from "../core/media-type.ts";
import type { ReloadOutcome } from "../core/reload.ts";
import { jsonReply, RestError } from "../core/rest-reply.ts";
import type { AppServer } from "../transport/bun/exact-app.ts";

/**
 * Handles `POST /reload`: the gateway reads its configuration again. Answers when the new configuration is applied. If the gateway
 * cannot use the new configuration, the answer contains the problems.
 *
 * A JSON Content-Type is required as protection against CSRF, as for `/revoke`.
 */
export async function requestReload(
  request: Request,
  server: AppServer,
  reload: (() => Promise<ReloadOutcome>) | undefined,
): Promise<Response> {
  if (!isJsonContent(request.headers.get("content-type"))) throw new RestError("unsupported_media_type");
  if (reload === undefined) return refused(["this command cannot reload its configuration here"]);
  server?.timeout(request, 0);
  const outcome = await reload();
  if (outcome.kind === "refused") return refused(outcome.problems);
  const { generation, changed, rows, needsRestart } = outcome;
  return jsonReply(200, { status: "reloaded", generation, changed, rows, needs_restart: needsRestart });
}

function refused(reasons: readonly string[]): Response {
  return jsonReply(409, { status: "refused", reasons });
}
