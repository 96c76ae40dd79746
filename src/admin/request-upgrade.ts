import { isLoopback } from "../core/listen.ts";
import { isJsonContent } from "../core/media-type.ts";
import { jsonReply, RestError } from "../core/rest-reply.ts";
import type { UpgradeOutcome } from "../core/upgrade.ts";
import type { AppServer } from "../transport/bun/exact-app.ts";

/**
 * Handles `POST /upgrade`. It answers when the new process has taken over or has failed.
 *
 * - Only a caller on this host may ask, because an upgrade starts a process. `sallyport upgrade` runs on this host.
 * - A JSON Content-Type is required as protection against CSRF, as for `/revoke`.
 */
export async function requestUpgrade(
  request: Request,
  server: AppServer,
  upgrade: (() => Promise<UpgradeOutcome>) | undefined,
): Promise<Response> {
  if (!isJsonContent(request.headers.get("content-type"))) throw new RestError("unsupported_media_type");
  if (!isOnThisHost(request, server)) throw new RestError("forbidden", "only a process on this host may ask for an upgrade");
  if (upgrade === undefined) return notUpgraded("refused", "this gateway cannot be upgraded");
  // The new process may take longer than the idle timeout of the connection.
  server?.timeout(request, 0);
  const outcome = await upgrade();
  if (outcome.kind !== "upgraded") return notUpgraded(outcome.kind, outcome.problem);
  return jsonReply(200, { status: "upgraded", pid: outcome.pid, version: outcome.version });
}

function notUpgraded(status: "refused" | "failed", problem: string): Response {
  return jsonReply(409, { status, reasons: [problem] });
}

/** Whether the caller's address is a loopback address, or the address of this listener. */
function isOnThisHost(request: Request, server: AppServer): boolean {
  const address = server?.requestIP(request)?.address;
  return address !== undefined && (isLoopback(address) || address === server?.hostname);
}
