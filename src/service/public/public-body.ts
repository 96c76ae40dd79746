import { codingsOf } from "../../core/content-coding.ts";
import type { HttpCall } from "../../core/http-endpoint.ts";
import { isJsonContent } from "../../core/media-type.ts";
import { RestError } from "../../core/rest-reply.ts";
import { BodyTooLarge, BodyTooSlow } from "../../rpc/http.ts";
import { checkJsonCost } from "../../rpc/json-bounds.ts";

/** The bounds that one row of `public_routes` sets for the body of a call. */
interface BodyBounds {
  readonly bodyBytesMax: number;
  readonly bodyTokensMax: number;
}

/** Unlike `decodeUtf8`, removes a byte order mark, as the RPC layer does. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads the JSON body of a call. Throws RestError. */
export async function readJsonBody({ request, readBody }: HttpCall, bounds: BodyBounds): Promise<unknown> {
  const { headers } = request;
  if (!isJsonContent(headers.get("content-type"))) throw new RestError("unsupported_media_type");
  if (codingsOf(headers.get("content-encoding")).length > 0)
    throw new RestError("unsupported_media_type", "content-encoding is not supported");
  try {
    const bytes = await readBody(bounds.bodyBytesMax);
    checkJsonCost(bytes, bounds.bodyTokensMax);
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    if (error instanceof BodyTooLarge) throw new RestError("payload_too_large", `at most ${bounds.bodyBytesMax} bytes`);
    if (error instanceof BodyTooSlow) throw new RestError("invalid_request", "the body took too long to arrive", {}, error);
    throw new RestError("invalid_request", "the body must be JSON in UTF-8", {}, error);
  }
}
