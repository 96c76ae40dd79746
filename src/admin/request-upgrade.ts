import { parseJsonObject } from "../core/json-body.ts";
import { isLoopback } from "../core/listen.ts";
import { isJsonContent } from "../core/media-type.ts";
import { jsonReply, RestError } from "../core/rest-reply.ts";
import type { UpgradeOutcome, UpgradeScope } from "../core/upgrade.ts";
import type { AppServer } from "../transport/bun/exact-app.ts";

/**
 * Handles `POST /upgrade`. Answers when the upgrade has succeeded or failed.
 *
 * - Only a caller on this host, such as `sallyport upgrade`, may request an upgrade, because an upgrade starts a process.
 * - A JSON Content-Type is required as protection against CSRF, as for `/revoke`.
 */
export async function requestUpgrade(
  request: Request,
  server: AppServer,
  upgrade: ((of: UpgradeScope) => Promise<UpgradeOutcome>) | undefined,
): Promise<Response> {
  if (!isJsonContent(request.headers.get("content-type"))) throw new RestError("unsupported_media_type");
  if (!isOnThisHost(request, server)) throw new RestError("forbidden", "only a process on this host may ask for an upgrade");
  if (upgrade === undefined) return notUpgraded("refused", "this gateway cannot be upgraded");
  const of = scopeOf(await request.text());
  // Switches off the idle timeout of the connection, because an upgrade may take longer than this timeout.
  server?.timeout(request, 0);
  const outcome = await upgrade(of);
  if (outcome.kind === "refused" || outcome.kind === "failed") return notUpgraded(outcome.kind, outcome.problem);
  const { kind: status, ...fields } = outcome;
  return jsonReply(200, { status, ...fields });
}

/** Parses the body: `{}`, or `{"workers": true}` to replace only the workers. Throws `RestError`. */
function scopeOf(body: string): UpgradeScope {
  const fields = Object.entries(parseJsonObject(body) ?? { invalid: true });
  if (fields.length === 0) return "all";
  const [[name, value] = []] = fields;
  if (fields.length === 1 && name === "workers" && value === true) return "workers";
  throw new RestError("invalid_request", 'the body must be {} or {"workers": true}');
}

function notUpgraded(status: "refused" | "failed", problem: string): Response {
  return jsonReply(409, { status, reasons: [problem] });
}

/** Whether the caller's address is a loopback address, or the address of this listener. */
function isOnThisHost(request: Request, server: AppServer): boolean {
  const address = server?.requestIP(request)?.address;
  return address !== undefined && (isLoopback(address) || address === server?.hostname);
}
