import { probeFeed } from "../../backend/feed/feed-probe.ts";
import { readIdentity } from "../../backend/upstreams/credentials.ts";
import { upstreamSettings } from "../upstream-settings.ts";
import { error, ok, type Probe, warning } from "./finding.ts";

/** The gateway name that the probe sends to the backend. It differs from the name that a running gateway sends. */
const GATEWAY_ID = "sallyport-config-check";

/** Probes the push service of the backend if `push.source` is `feed`. */
export const probePushFeed: Probe = async (config, { timeoutMs }) => {
  const { "push.url": url, "push.protocol": protocol } = config;
  if (config["push.source"] !== "feed" || url === undefined) return [];
  const { token } = readIdentity(upstreamSettings(config).credentials);
  const { problem, isOpen } = await probeFeed({ url, protocol, token, gatewayId: GATEWAY_ID, timeoutMs });
  const { origin } = new URL(url);
  if (problem === undefined) return [ok("push.url", `${origin} sends messages over ${protocol}`)];
  return [(isOpen ? warning : error)("push.url", `${origin}: ${problem}`)];
};
