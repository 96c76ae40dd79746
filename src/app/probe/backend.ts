import { probeRest, type RestProbe } from "../../backend/diagnosis/rest-probe.ts";
import { readIdentity } from "../../backend/upstreams/credentials.ts";
import { PathPattern } from "../../core/path-pattern.ts";
import { upstreamSettings } from "../upstream-settings.ts";
import { clockFinding } from "./clock-finding.ts";
import { error, type Finding, ok, type Probe, warning } from "./finding.ts";

/** Probes each upstream: looks up a session that does not exist, and compares the upstream's clock with that of this machine. */
export const probeBackend: Probe = async (config, { clock, timeoutMs }) => {
  const { rows, credentials } = upstreamSettings(config);
  const { tls, authorization } = readIdentity(credentials);
  const pattern = new PathPattern(config["backend.session_path"]);
  const lookUpPath = pattern.expand(new Map([["device_session_id", crypto.randomUUID()]]));
  const tokenSetting = config["backend.token_file"] === undefined ? "backend.token" : "backend.token_file";
  const findings = rows.map(async ({ name, url }, index): Promise<readonly Finding[]> => {
    const isListed = config["backend.url"] === undefined;
    const urlSetting = isListed ? `upstreams[${index}].url` : "backend.url";
    const probe = await probeRest({ url, urlSetting, tokenSetting, lookUpPath, authorization, timeoutMs, tls });
    const setting = isListed ? `upstreams ${name}` : urlSetting;
    const found = findingOf(setting, new URL(url).origin, probe);
    return probe.dateMs === undefined ? [found] : [found, clockFinding(new URL(url).host, probe.dateMs, config, clock)];
  });
  return (await Promise.all(findings)).flat();
};

function findingOf(setting: string, origin: string, { problem, doubt }: RestProbe): Finding {
  if (problem !== undefined) return error(setting, `${origin}: ${problem}`);
  if (doubt !== undefined) return warning(setting, `${origin}: ${doubt}`);
  return ok(setting, `${origin} answers the session look-up`);
}
