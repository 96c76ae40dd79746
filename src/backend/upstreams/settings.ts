/** One upstream: a row of the setting `upstreams`, or the setting `backend.url`. */
export interface UpstreamRow {
  /** The name in logs and metrics. */
  readonly name: string;
  /** The http or https URL. If it has a path, this path is put before the path of each call. */
  readonly url: string;
  /** Share of the calls, relative to the other upstreams. 0: no calls. */
  readonly weight: number;
}

/** Settings of the outlier detection. They have the names and meanings of Envoy's outlier detection. */
export interface OutlierSettings {
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionPercent: number;
}

export interface HealthSettings {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** A file, and the setting that names it. Error messages contain the setting. */
export interface NamedFile {
  readonly setting: string;
  readonly path: string | undefined;
}

/** How the gateway authenticates to the backend, and how it verifies the backend. */
export interface CredentialSettings {
  readonly ca: NamedFile;
  readonly certificate: NamedFile;
  readonly key: NamedFile;
  readonly tokenFile: NamedFile;
  /** The gateway's token for the backend. `undefined` if there is no token, or if the token is in `tokenFile`. */
  readonly token: string | undefined;
  /** Interval at which the files are read again, in ms. */
  readonly reloadMs: number;
}

export interface DnsSettings {
  /** The DNS servers to ask, as `address` or `address:port`. If the list is empty, the system's resolver is asked. */
  readonly servers: readonly string[];
  /** Interval between two look-ups of a name if no TTL is known, in ms. */
  readonly refreshMs: number;
}

/** The settings of the upstreams. Each of these settings can change while the gateway runs. */
export interface UpstreamSettings {
  readonly rows: readonly UpstreamRow[];
  readonly connectTimeoutMs: number;
  /** Maximum duration of one attempt, in ms. `undefined`: only the timeout of the call applies. */
  readonly responseTimeoutMs: number | undefined;
  readonly retriesMax: number;
  readonly retryBudgetPercent: number;
  /** Maximum number of concurrent calls of one pool to one address. */
  readonly requestsMax: number;
  /** Maximum number of waiting calls of one pool. */
  readonly pendingMax: number;
  readonly panicPercent: number;
  readonly slowStartMs: number;
  readonly outlier: OutlierSettings;
  readonly health: HealthSettings | undefined;
  readonly dns: DnsSettings;
  readonly credentials: CredentialSettings;
}

/** The kinds of backend calls. Each kind has its own pool, so that one kind cannot use up the connections of another. */
export type PoolName = "commands" | "sessions" | "logins" | "public";
