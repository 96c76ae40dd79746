import { StoreError } from "../../core/store-error.ts";

/** What the gateway wants to know of a server. */
export interface ServerInfo {
  /** `redis`, `valkey`, … */
  readonly name: string;
  readonly version: string;
  /** Different after every restart. */
  readonly runId: string;
}

/** `SET … PXAT` is older; what has not been tried is not promised. */
const MAJOR_VERSION_MIN = 7;

/**
 * Reads the answer to INFO, and makes sure that the server can keep what it is given. Throws `StoreError` where it cannot, or not
 * for certain.
 */
export function checkServer(info: string, address: string): ServerInfo {
  const fields = fieldsOf(info);
  const problem = problemOf(fields);
  if (problem !== undefined) throw new StoreError(`the Redis at ${address} ${problem}`);
  return {
    name: fields.get("server_name") ?? "redis",
    version: versionOf(fields),
    runId: fields.get("run_id") ?? "",
  };
}

function problemOf(fields: ReadonlyMap<string, string>): string | undefined {
  const mode = fields.get("redis_mode") ?? "standalone";
  if (fields.get("cluster_enabled") === "1" || mode === "cluster") {
    return "is a node of a Redis Cluster, where one script cannot take budgets whose keys lie on different nodes; use one server without cluster mode, with a replica to fail over to, behind one address";
  }
  if (mode !== "standalone") return `is a ${mode}, not a server that stores anything; give the address of the master`;
  if (fields.get("role") !== "master")
    return `is a ${fields.get("role") ?? "server of no known role"}; give the address of its master`;
  const major = Number.parseInt(versionOf(fields), 10);
  if (!(major >= MAJOR_VERSION_MIN))
    return `has version ${versionOf(fields)}; use Redis ${MAJOR_VERSION_MIN} or later, or Valkey`;
  const policy = fields.get("maxmemory_policy") ?? "noeviction";
  if (fields.get("maxmemory") !== "0" && policy !== "noeviction") {
    return `forgets keys when its memory is full (maxmemory-policy ${policy}), and with them that a request was made already; set maxmemory-policy noeviction`;
  }
  return undefined;
}

/** Valkey tells two: its own, and the Redis that it is compatible with. */
function versionOf(fields: ReadonlyMap<string, string>): string {
  return fields.get("valkey_version") ?? fields.get("redis_version") ?? "unknown";
}

function fieldsOf(info: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const [name = "", ...value] = line.split(":");
    if (value.length > 0) fields.set(name, value.join(":"));
  }
  return fields;
}
