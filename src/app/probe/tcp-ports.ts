import { createServer } from "node:net";
import { hasPrivateListener } from "../../config/rules-push.ts";
import type { Config, ConfigKey } from "../../config/schema.ts";
import { formatAddress, type ListenAddress, ListenError, localUrl } from "../../core/listen.ts";
import { listenOn } from "../../core/listen-on.ts";
import { error, type Finding, ok, type Probe, warning } from "./finding.ts";

/** Returns the addresses on which a gateway with this configuration listens, each with the setting that contains it. */
function listenersOf(config: Config): readonly (readonly [ConfigKey, ListenAddress])[] {
  const isOnePort = config["edge.grpc"] === "same-port";
  return [
    ["edge.listen", config["edge.listen"]],
    ...(isOnePort ? [] : ([["grpc.listen", config["grpc.listen"]]] as const)),
    ["admin.listen", config["admin.listen"]],
    ...(hasPrivateListener(config) ? ([["push.listen", config["push.listen"]]] as const) : []),
  ];
}

/** Checks whether the ports can be opened, by opening each one for an instant. */
export const probePorts: Probe = async (config, { timeoutMs }) => {
  const isRunning = await answersAsGateway(config["admin.listen"], timeoutMs);
  return Promise.all(listenersOf(config).map(([setting, address]) => findingOf(setting, address, isRunning)));
};

async function findingOf(setting: ConfigKey, address: ListenAddress, isRunning: boolean): Promise<Finding> {
  const server = createServer();
  try {
    await listenOn(server, address);
    server.close();
    return ok(setting, `${formatAddress(address)} is free`);
  } catch (cause) {
    const { code } = new ListenError("the gateway", address, cause);
    return problemOf(setting, address, code, isRunning);
  }
}

function problemOf(setting: ConfigKey, address: ListenAddress, code: string, isRunning: boolean): Finding {
  const shown = formatAddress(address);
  if (code === "EADDRINUSE" && isRunning) return ok(setting, `${shown} is in use; a gateway runs on this machine`);
  if (code === "EADDRINUSE") return error(setting, `${shown} is in use; stop the other program, or choose another port`);
  if (code === "EACCES")
    return error(setting, `this user may not open ${shown}; choose a port above 1023, or grant CAP_NET_BIND_SERVICE`);
  if (code === "EADDRNOTAVAIL")
    return error(setting, `this machine does not have the address ${shown}; 0.0.0.0 or [::] stands for all its addresses`);
  if (/ENOTFOUND|EAI_/.test(code)) return error(setting, `the host name of ${shown} cannot be resolved; write an address`);
  return warning(setting, `${shown} cannot be opened (${code})`);
}

/** Whether the admin listener of a gateway answers at this address. */
async function answersAsGateway(address: ListenAddress, timeoutMs: number): Promise<boolean> {
  try {
    const url = new URL("/healthz", localUrl(address));
    const response = await fetch(url, { redirect: "manual", proxy: false, signal: AbortSignal.timeout(timeoutMs) });
    return response.status === 200 && (await response.text()) === '{"status":"ok"}';
  } catch {
    return false;
  }
}
