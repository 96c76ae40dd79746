import type { Child } from "../child.ts";
import { type Served, type ServeOptions, serve } from "../served.ts";

/** Starts a gateway whose limits no benchmark reaches. */
export function startGateway(
  backend: Child,
  workers: number,
  settings: Readonly<Record<string, string>> = {},
  options: ServeOptions = {},
): Promise<Served> {
  const roomy = ["ip", "session", "user", "failures"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
  const limits = ["per_session", "per_user", "per_network", "total"].map((name) => `streams.${name}_max`);
  const all = {
    ...Object.fromEntries([...roomy, ...limits, "connections.per_network_max"].map((key) => [key, "1000000"])),
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    "backend.url": `http://127.0.0.1:${backend.ready.port}`,
    "push.url": backend.ready.pushUrl ?? "",
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    "workers.count": String(workers),
    "replay.entries_max": "200000",
    "buckets.entries_max": "100000",
    "session_cache.entries_max": "20000",
    routes: JSON.stringify([{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }]),
    ...settings,
  };
  return serve(all, options);
}

/** The port of the edge, in the form that load generators take. */
export function edgeOf({ edgeUrl }: Served): Pick<Child, "ready"> {
  return { ready: { port: Number(new URL(edgeUrl).port) } };
}
