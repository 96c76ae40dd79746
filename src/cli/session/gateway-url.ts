import { UsageError } from "../arguments/parse.ts";

/** The URL of `sallyport dev` with its default settings. */
export const DEFAULT_URL = "http://127.0.0.1:8080";

/** Returns the origin of a gateway's URL. Throws `UsageError` if it is not http or https, or has a path, a user or a query. */
export function parseGatewayUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text) || url.hostname === "")
    throw new UsageError("--url must be a URL such as https://gateway.example");
  if (url.username !== "" || url.password !== "") throw new UsageError("--url must not contain a user or a password");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    throw new UsageError("--url must have no path and no query, such as https://gateway.example:8443");
  return url.origin;
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** True if others on the network can read what is sent to this URL. */
export function isReadableByOthers(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && !LOOPBACK.test(hostname);
}
