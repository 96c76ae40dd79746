import { openWorld, type World } from "./world.ts";

export const PUSH_TOKEN = "test-token-".padEnd(40, "x");

/** A world whose gateway gets its events by the private listener. */
export interface PublishingWorld extends World {
  readonly publishUrl: string;
  /** Calls the private listener with the token. */
  call(path: "/publish" | "/revoke", body: unknown): Promise<Response>;
}

export async function openPublishingWorld(...[overrides, options]: Parameters<typeof openWorld>): Promise<PublishingWorld> {
  const settings = { "push.source": "http", "push.url": undefined, "push.token": PUSH_TOKEN } as const;
  const world = await openWorld({ ...settings, "push.listen": { host: "127.0.0.1", port: 0 }, ...overrides }, options);
  const publishUrl = world.gateway.publishUrl ?? "";
  return { ...world, publishUrl, call: (path, body) => callPublish(publishUrl, path, body) };
}

/** Calls a private listener with the token. */
export function callPublish(publishUrl: string, path: "/publish" | "/revoke", body: unknown): Promise<Response> {
  return fetch(`${publishUrl}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${PUSH_TOKEN}` },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}
