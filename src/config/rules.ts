import { JSON_INFLATION, REQUEST_OVERHEAD_BYTES } from "../core/limits.ts";
import { ConfigError } from "./problem.ts";
import type { Config, ConfigKey } from "./schema.ts";
import { variableOf } from "./schema.ts";

/** What settings demand of each other, or a command of its settings: `broken` says what is wrong, or nothing. */
export interface Rule {
  readonly keys: readonly ConfigKey[];
  broken(config: Config): string | undefined;
}

/** A stream that resumes gets what is remembered for its user and for its session. */
const REPLAY_TIMELINES = 2;
/** … in JSON, if it must, which takes up to twice as much. */
const REPLAY_INFLATION = 2 * REPLAY_TIMELINES;

const RULES: readonly Rule[] = [
  {
    keys: ["limits.request_bytes_max", "limits.payload_bytes_max"],
    broken(config) {
      const least = Math.ceil(config["limits.payload_bytes_max"] * JSON_INFLATION) + REQUEST_OVERHEAD_BYTES;
      if (config["limits.request_bytes_max"] >= least) return undefined;
      return `limits.request_bytes_max is ${config["limits.request_bytes_max"]}, expected at least ${least}: a payload of limits.payload_bytes_max (${config["limits.payload_bytes_max"]}) in base64, and its envelope`;
    },
  },
  {
    keys: ["push.backoff_max_ms", "push.backoff_min_ms"],
    broken(config) {
      if (config["push.backoff_max_ms"] >= config["push.backoff_min_ms"]) return undefined;
      return `push.backoff_max_ms is ${config["push.backoff_max_ms"]}, expected at least push.backoff_min_ms (${config["push.backoff_min_ms"]})`;
    },
  },
  {
    keys: ["streams.outbox_bytes_max", "history.bytes_max"],
    broken(config) {
      const least = config["history.bytes_max"] * REPLAY_INFLATION;
      if (config["streams.outbox_bytes_max"] >= least) return undefined;
      return `streams.outbox_bytes_max is ${config["streams.outbox_bytes_max"]}, expected at least ${least}: ${REPLAY_INFLATION} times history.bytes_max (${config["history.bytes_max"]}), so that a stream that resumes is not taken for a slow one`;
    },
  },
  {
    keys: ["streams.outbox_messages_max", "history.events_max"],
    broken(config) {
      const least = config["history.events_max"] * REPLAY_TIMELINES;
      if (config["streams.outbox_messages_max"] >= least) return undefined;
      return `streams.outbox_messages_max is ${config["streams.outbox_messages_max"]}, expected at least ${least}: the history.events_max (${config["history.events_max"]}) of a user and as many of a session`;
    },
  },
  notBoth("keys.current", "keys.current_file"),
  notBoth("keys.next", "keys.next_file"),
  notBoth("keys.previous", "keys.previous_file"),
  notTheSameAddress("edge.listen", "admin.listen"),
  notTheSameAddress("edge.listen", "grpc.listen"),
  notTheSameAddress("grpc.listen", "admin.listen"),
  together("tls.certificate_file", "tls.key_file"),
  {
    keys: ["tls.client_ca_file", "tls.certificate_file"],
    broken(config) {
      if (config["tls.client_ca_file"] === undefined || config["tls.certificate_file"] !== undefined) return undefined;
      return "tls.client_ca_file is given without tls.certificate_file, expected both: client certificates need TLS";
    },
  },
  notTheSameAddress("dev.backend_listen", "dev.push_listen"),
  {
    keys: ["stores.redis.url", "stores.kind"],
    broken(config) {
      if (config["stores.kind"] !== "redis" || config["stores.redis.url"] !== undefined) return undefined;
      return "stores.kind is redis without stores.redis.url, expected both";
    },
  },
  onlyOverTls("stores.redis.ca_file"),
  onlyOverTls("stores.redis.certificate_file"),
  together("stores.redis.certificate_file", "stores.redis.key_file"),
];

/** What `serve` needs that has no default: a backend of yours, and a key to sign with. */
export const SERVE_RULES: readonly Rule[] = [
  given("backend.url", "the base URL of your backend's REST interface"),
  given("push.url", "the base URL of your backend's push service"),
  {
    keys: ["keys.current", "keys.current_file"],
    broken(config) {
      if (config["keys.current"] !== undefined || config["keys.current_file"] !== undefined) return undefined;
      return `keys.current or keys.current_file: missing, expected one of them, since the gateway signs what it sends; \`sallyport keygen\` makes a seed for ${variableOf("keys.current")}`;
    },
  },
];

/** The rules that this configuration breaks, except those about a key which is not known to be right. */
export function ruleViolations(
  config: Config,
  uncertain: ReadonlySet<ConfigKey>,
  commandRules: readonly Rule[] = [],
): readonly string[] {
  return [...RULES, ...commandRules]
    .filter((rule) => !rule.keys.some((key) => uncertain.has(key)))
    .flatMap((rule) => rule.broken(config) ?? []);
}

/** A configuration that names a backend: `serve` demands it, `dev` and `demo` name their own. */
export type GatewayConfig = Config & { readonly "backend.url": string; readonly "push.url": string };

/** Throws a `ConfigError` that names what is missing. */
export function requireBackend(config: Config): GatewayConfig {
  const { "backend.url": backendUrl, "push.url": pushUrl } = config;
  if (backendUrl !== undefined && pushUrl !== undefined) return { ...config, "backend.url": backendUrl, "push.url": pushUrl };
  throw new ConfigError(ruleViolations(config, new Set(), SERVE_RULES.slice(0, 2)));
}

function given(key: "backend.url" | "push.url", what: string): Rule {
  const broken = (config: Config) =>
    config[key] === undefined ? `${key}: missing, expected ${what}; as ${variableOf(key)} or --set ${key}=…` : undefined;
  return { keys: [key], broken };
}

function notBoth(value: "keys.current" | "keys.next" | "keys.previous", file: `${typeof value}_file`): Rule {
  return {
    keys: [value, file],
    broken: (config) =>
      config[value] === undefined || config[file] === undefined
        ? undefined
        : `${value} and ${file} are both given, expected one of them`,
  };
}

/** Whoever names an authority means to have TLS, and must not go without it unawares. */
function onlyOverTls(file: "stores.redis.ca_file" | "stores.redis.certificate_file"): Rule {
  return {
    keys: [file, "stores.redis.url"],
    broken(config) {
      const url = config["stores.redis.url"];
      if (config[file] === undefined || url === undefined || url.startsWith("rediss:")) return undefined;
      return `${file} is given, but stores.redis.url is not rediss://, expected both or neither`;
    },
  };
}

type CertificateKey = "tls.certificate_file" | "stores.redis.certificate_file";
type PrivateKeyKey = "tls.key_file" | "stores.redis.key_file";

function together(first: CertificateKey, second: PrivateKeyKey): Rule {
  return {
    keys: [first, second],
    broken(config) {
      if ((config[first] === undefined) === (config[second] === undefined)) return undefined;
      const [given, missing] = config[first] === undefined ? [second, first] : [first, second];
      return `${given} is given without ${missing}, expected both`;
    },
  };
}

type ListenKey = "edge.listen" | "grpc.listen" | "admin.listen" | "dev.backend_listen" | "dev.push_listen";

/** Two listeners on one port are fine on two addresses of their own; port 0 is a new port each time. */
function notTheSameAddress(first: ListenKey, second: ListenKey): Rule {
  return {
    keys: [first, second],
    broken(config) {
      const [a, b] = [config[first], config[second]];
      if (a.port !== b.port || a.port === 0 || !isUsed(first, config) || !isUsed(second, config)) return undefined;
      if (a.host !== b.host && !isWildcard(a.host) && !isWildcard(b.host)) return undefined;
      return `${first} and ${second} both listen on port ${a.port}, expected different ports`;
    },
  };
}

function isUsed(key: ListenKey, config: Config): boolean {
  return key !== "grpc.listen" || config["edge.grpc"] === "own-port";
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
