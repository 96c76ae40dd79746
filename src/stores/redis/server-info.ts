import { StoreError } from "../../core/start-error.ts";

/** The fields of INFO that the gateway uses. */
export interface ServerInfo {
  /** The name of the server software, such as `redis` or `valkey`. */
  readonly name: string;
  readonly version: string;
  /** The identifier of the server process. It changes with every restart. */
  readonly runId: string;
}

/**
 * The minimum major version of Redis: the oldest version on which the tests run. The scripts themselves need only version 6.2,
 * which added the option PXAT of SET.
 */
const MAJOR_VERSION_MIN = 7;

/**
 * Parses the reply to INFO. Throws `StoreError` if the server is unsuitable: a cluster node, not a master, too old, or
 * configured to evict keys.
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
    return "is a Redis Cluster node, and one script cannot use keys of different nodes; use one server without cluster mode, with a replica for failover behind the same address";
  }
  if (mode !== "standalone") return `is a ${mode}, which stores no keys; give the address of the master`;
  if (fields.get("role") !== "master")
    return `is a ${fields.get("role") ?? "server of unknown role"}; give the address of its master`;
  const major = Number.parseInt(versionOf(fields), 10);
  if (!(major >= MAJOR_VERSION_MIN))
    return `has version ${versionOf(fields)}; use Redis ${MAJOR_VERSION_MIN} or later, or Valkey`;
  const policy = fields.get("maxmemory_policy") ?? "noeviction";
  if (fields.get("maxmemory") !== "0" && policy !== "noeviction") {
    return `evicts keys when its memory is full (maxmemory-policy ${policy}), so a replayed request could be accepted; set maxmemory-policy noeviction`;
  }
  return undefined;
}

/**
 * Returns the version of the server. Valkey reports its own version, and the Redis version with which it is compatible. For Valkey,
 * the function returns the version of Valkey.
 */
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
