import type { Config } from "../config/schema.ts";
import type { HttpEndpoint } from "../core/http-endpoint.ts";
import type { GatewayFacts } from "../dev/playground/setup.ts";

/** The settings that the page of the playground shows or uses. */
export function gatewayFacts(config: Config): GatewayFacts {
  return {
    key_algorithms: config["device_keys.algorithms"],
    limits: {
      request_bytes_max: config["limits.request_bytes_max"],
      payload_bytes_max: config["limits.payload_bytes_max"],
    },
  };
}

/** Loads the playground. Call this only if the playground is enabled, because its page is large. */
export async function playgroundEndpoints(config: Config): Promise<HttpEndpoint[]> {
  const [playground, { pageFiles }] = await Promise.all([
    import("../dev/playground/page-endpoints.ts"),
    import("../dev/playground/page-files.ts"),
  ]);
  return playground.playgroundEndpoints(await pageFiles(), gatewayFacts(config));
}
