import type { HttpEndpoint } from "../core/http-endpoint.ts";

/** Loads the playground. Call this only if the playground is enabled, because its page is large. */
export async function playgroundEndpoints(): Promise<HttpEndpoint[]> {
  const [playground, { pageFiles }] = await Promise.all([
    import("../dev/playground/page-endpoints.ts"),
    import("../dev/playground/page-files.ts"),
  ]);
  return playground.playgroundEndpoints(await pageFiles());
}
