import { DEFAULT_IDENTITY_HEADERS } from "../config/identity-headers.ts";
import type { Config } from "../config/schema.ts";

/** Returns the options of the embedded backend, which `sallyport dev` and `sallyport demo` start. */
export function embeddedBackendOptions(config: Config) {
  return {
    restListen: config["dev.backend_listen"],
    pushListen: config["dev.push_listen"],
    hosts: config["admin.hosts"],
    database: config["dev.database"],
  };
}

/** Returns the configuration with the embedded backend instead of the configured backend and push source. */
export function withEmbeddedBackend(
  config: Config,
  { restUrl, pushUrl }: { readonly restUrl: string; readonly pushUrl: string },
): Config {
  const urls = { "backend.url": restUrl, upstreams: [], "push.url": pushUrl };
  return { ...config, ...DEFAULT_IDENTITY_HEADERS, ...urls, "push.source": "feed" };
}
