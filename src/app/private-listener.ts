import { BearerTokens, TokenFileError } from "../backend/publish/bearer-tokens.ts";
import { openPublishListener } from "../backend/publish/publish-listener.ts";
import { ConfigError } from "../config/problem.ts";
import type { GatewayConfig } from "../config/rules.ts";
import { formatAddress, isLoopback } from "../core/listen.ts";
import type { Publisher } from "../core/publisher.ts";
import type { Log } from "../core/telemetry.ts";
import type { Listener } from "../transport/listener.ts";
import type { FeedParts } from "./feed-parts.ts";
import { boundUrl } from "./listeners.ts";

/** Returns a log field with the bound address of the private listener. Returns `{}` if there is no private listener. */
export function publishUrl(listener: Listener | undefined): { readonly publish?: string } {
  return listener === undefined ? {} : { publish: boundUrl(listener) };
}

/** Opens the private listener. Logs a warning if other machines can reach it. */
export function openPrivateListener(
  config: GatewayConfig,
  publisher: Publisher,
  { log, clock }: Pick<FeedParts, "log" | "clock">,
): Listener {
  const listener = openPublishListener({
    listen: config["push.listen"],
    tokens: openTokens(config, log),
    publisher,
    itemsPerSecondMax: config["push.items_per_second_max"],
    bodyMs: config["connections.body_ms"],
    clock,
    log,
  });
  const { bound } = listener;
  if (!isLoopback(bound.host))
    log.warn("plaintext private listener outside loopback", { setting: "push.listen", address: formatAddress(bound) });
  return listener;
}

function openTokens(config: GatewayConfig, log: Log): BearerTokens {
  const file = config["push.token_file"];
  try {
    return new BearerTokens(file === undefined ? { value: config["push.token"] ?? "" } : { file }, log);
  } catch (error) {
    if (error instanceof TokenFileError) throw new ConfigError([error.message]);
    throw error;
  }
}
