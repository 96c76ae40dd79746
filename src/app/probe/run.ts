import type { GatewayConfig } from "../../config/rules.ts";
import { messageOf } from "../../core/cause.ts";
import { systemClock } from "../../core/clock.ts";
import { probeBackend } from "./backend.ts";
import { probePushFeed } from "./feed.ts";
import { error, type Finding, type Probe, type ProbeParts } from "./finding.ts";
import { probeHost } from "./host.ts";
import { probeRedis } from "./redis.ts";
import { probePorts } from "./tcp-ports.ts";
import { probeTlsFiles } from "./tls.ts";

/** The probes with their settings, in the order of the output. If a probe throws, the output names the probe's setting. */
const PROBES: readonly (readonly [string, Probe])[] = [
  ["backend.url", probeBackend],
  ["push.url", probePushFeed],
  ["stores.redis.url", probeRedis],
  ["tls.certificate_file", probeTlsFiles],
  ["edge.listen", probePorts],
  ["connections.total_max", probeHost],
];

/** Timeout of each connection of a probe, in ms. A probe makes at most three connections, one after the other. */
const TIMEOUT_MS = 3000;
const PROBE_MS_MAX = 10_000;

/** Runs all probes at the same time. Resolves to what they found, in a fixed order. Never rejects. */
export async function runProbes(
  config: GatewayConfig,
  parts: ProbeParts = { clock: systemClock, timeoutMs: TIMEOUT_MS },
): Promise<readonly Finding[]> {
  const found = PROBES.map(async ([setting, probe]) => {
    const late = Bun.sleep(PROBE_MS_MAX).then(() => [error(setting, `the probe did not end within ${PROBE_MS_MAX} ms`)]);
    const failed = (thrown: unknown) => [error(setting, `the probe failed: ${messageOf(thrown)}`)];
    return await Promise.race([probe(config, parts).catch(failed), late]);
  });
  return (await Promise.all(found)).flat();
}
