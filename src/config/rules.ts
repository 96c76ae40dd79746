import {
  ANSWER_INFLATION,
  ANSWER_OVERHEAD_BYTES,
  ANSWER_SHARES,
  JSON_INFLATION,
  REQUEST_OVERHEAD_BYTES,
} from "../core/limits.ts";
import { ConfigError, keyShown, type ValuePath } from "./problem.ts";
import { answerSizeProblem, sessionPathProblem } from "./public-route-checks.ts";
import { ROUTE_RULES } from "./route-rules.ts";
import type { Rule } from "./rule.ts";
import { FILE_RULES } from "./rules-files.ts";
import { KEY_RULES } from "./rules-keys.ts";
import { hasPrivateListener, PUSH_RULES } from "./rules-push.ts";
import type { Config, ConfigKey } from "./schema.ts";
import { variableOf } from "./schema.ts";
import { originOf, type RawSetting } from "./source.ts";

/** Number of replay buffers that a resumed stream reads: one of its user, and one of its session. */
const REPLAY_BUFFERS = 2;
/**
 * Maximum size of the events that are replayed to a resumed stream, as a multiple of `history.bytes_max`. JSON can double the
 * size of an event.
 */
const REPLAY_INFLATION = 2 * REPLAY_BUFFERS;

const UPSTREAM_RULES: readonly Rule[] = [
  atMostOne("backend.token", "backend.token_file"),
  bothOrNeither("backend.certificate_file", "backend.key_file"),
  requiresBackendTls("backend.ca_file"),
  requiresBackendTls("backend.certificate_file"),
  {
    keys: ["backend.url", "upstreams"],
    violation(config) {
      if (config["backend.url"] === undefined || config.upstreams.length === 0) return undefined;
      return "backend.url and upstreams are both given, expected one of them";
    },
  },
  {
    keys: ["upstreams"],
    violation({ upstreams }) {
      if (upstreams.length === 0 || upstreams.some(({ weight = 1 }) => weight > 0)) return undefined;
      return "upstreams: every weight is 0, expected at least one above 0";
    },
  },
];

const RULES: readonly Rule[] = [
  {
    keys: ["limits.request_bytes_max", "limits.payload_bytes_max"],
    violation(config) {
      const least = Math.ceil(config["limits.payload_bytes_max"] * JSON_INFLATION) + REQUEST_OVERHEAD_BYTES;
      if (config["limits.request_bytes_max"] >= least) return undefined;
      return `limits.request_bytes_max is ${config["limits.request_bytes_max"]}, expected at least ${least}: a payload of limits.payload_bytes_max (${config["limits.payload_bytes_max"]}) in base64, plus the envelope`;
    },
  },
  {
    keys: ["push.backoff_max_ms", "push.backoff_min_ms"],
    violation(config) {
      if (config["push.backoff_max_ms"] >= config["push.backoff_min_ms"]) return undefined;
      return `push.backoff_max_ms is ${config["push.backoff_max_ms"]}, expected at least push.backoff_min_ms (${config["push.backoff_min_ms"]})`;
    },
  },
  {
    keys: ["streams.outbox_bytes_max", "history.bytes_max"],
    violation(config) {
      const least = config["history.bytes_max"] * REPLAY_INFLATION;
      if (config["streams.outbox_bytes_max"] >= least) return undefined;
      return `streams.outbox_bytes_max is ${config["streams.outbox_bytes_max"]}, expected at least ${least}: ${REPLAY_INFLATION} times history.bytes_max (${config["history.bytes_max"]}), so that a stream that resumes does not end as a slow consumer`;
    },
  },
  {
    keys: ["streams.outbox_messages_max", "history.events_max"],
    violation(config) {
      const least = config["history.events_max"] * REPLAY_BUFFERS;
      if (config["streams.outbox_messages_max"] >= least) return undefined;
      return `streams.outbox_messages_max is ${config["streams.outbox_messages_max"]}, expected at least ${least}: ${REPLAY_BUFFERS} times history.events_max (${config["history.events_max"]}), for the events of the user and of the session`;
    },
  },
  {
    keys: ["answers.bytes_max", "backend.response_bytes_max", "routes"],
    violation(config) {
      const answer = config["backend.response_bytes_max"] * ANSWER_INFLATION + ANSWER_OVERHEAD_BYTES;
      const least = answer * ANSWER_SHARES;
      const keeps = config.routes.some((route) => route.keep_answer_ms !== undefined);
      if (!keeps || config["answers.bytes_max"] >= least) return undefined;
      return `answers.bytes_max is ${config["answers.bytes_max"]}, expected at least ${least}: a route has keep_answer_ms, and the share of one session (1/${ANSWER_SHARES}) must hold an answer of backend.response_bytes_max (${config["backend.response_bytes_max"]})`;
    },
  },
  atMostOne("keys.current", "keys.current_file"),
  atMostOne("keys.next", "keys.next_file"),
  atMostOne("keys.previous", "keys.previous_file"),
  ...KEY_RULES,
  differentAddresses("edge.listen", "admin.listen"),
  differentAddresses("edge.listen", "grpc.listen"),
  differentAddresses("grpc.listen", "admin.listen"),
  differentAddresses("push.listen", "edge.listen"),
  differentAddresses("push.listen", "grpc.listen"),
  differentAddresses("push.listen", "admin.listen"),
  bothOrNeither("tls.certificate_file", "tls.key_file"),
  {
    keys: ["tls.client_ca_file", "tls.certificate_file"],
    violation(config) {
      if (config["tls.client_ca_file"] === undefined || config["tls.certificate_file"] !== undefined) return undefined;
      return "tls.client_ca_file is given without tls.certificate_file, expected both: client certificates require TLS";
    },
  },
  differentAddresses("dev.backend_listen", "dev.push_listen"),
  {
    keys: ["public_routes", "backend.response_bytes_max"],
    violation: (config) => answerSizeProblem(config.public_routes, config["backend.response_bytes_max"]),
  },
  {
    keys: ["public_routes", "backend.session_path"],
    violation: (config) => sessionPathProblem(config.public_routes, config["backend.session_path"]),
  },
  {
    keys: ["stores.redis.url", "stores.kind"],
    violation(config) {
      if (config["stores.kind"] !== "redis" || config["stores.redis.url"] !== undefined) return undefined;
      return "stores.kind is redis without stores.redis.url, expected both";
    },
  },
  ...PUSH_RULES,
  ...ROUTE_RULES,
  requiresRedisTls("stores.redis.ca_file"),
  requiresRedisTls("stores.redis.certificate_file"),
  bothOrNeither("stores.redis.certificate_file", "stores.redis.key_file"),
  ...UPSTREAM_RULES,
  ...FILE_RULES,
];

const BACKEND_RULES: readonly Rule[] = [
  {
    keys: ["backend.url", "upstreams"],
    violation(config) {
      if (config["backend.url"] !== undefined || config.upstreams.length > 0) return undefined;
      return missing("backend.url", "the base URL of your backend's REST interface");
    },
  },
  {
    keys: ["push.url", "push.source"],
    violation(config) {
      if (config["push.url"] !== undefined || config["push.source"] !== "feed") return undefined;
      const other = "or another push.source (without events: --set push.source=http and a push.token)";
      return `${missing("push.url", "the base URL of your backend's push service")}, ${other}`;
    },
  },
];

/** The rules about settings that `serve` requires and that have no default: the URLs of the backend, and a signing key. */
export const SERVE_RULES: readonly Rule[] = [
  ...BACKEND_RULES,
  {
    keys: ["keys.current", "keys.current_file"],
    violation(config) {
      if (config["keys.current"] !== undefined || config["keys.current_file"] !== undefined) return undefined;
      return `keys.current or keys.current_file: missing, expected one of them: the gateway signs responses and events; \`sallyport keygen --out current.key\` makes a file for keys.current_file, \`sallyport keygen\` a seed for ${variableOf("keys.current")}`;
    },
  },
];

interface RuleInput {
  /** The settings with a rejected value. A rule about one of them is skipped. */
  readonly failed: ReadonlySet<ConfigKey>;
  /** The raw value and the source of each setting that does not have its default. */
  readonly settings: ReadonlyMap<ConfigKey, RawSetting>;
}

const NO_INPUT: RuleInput = { failed: new Set(), settings: new Map() };

/** Returns the violations of all rules. Each violation also tells where the settings of the rule are set. */
export function ruleViolations(
  config: Config,
  { failed, settings }: RuleInput = NO_INPUT,
  commandRules: readonly Rule[] = [],
): readonly string[] {
  return [...RULES, ...commandRules]
    .filter((rule) => !rule.keys.some((key) => failed.has(key)))
    .flatMap((rule) => violationsOf(rule, config, settings));
}

function violationsOf(rule: Rule, config: Config, settings: RuleInput["settings"]): readonly string[] {
  const violation = rule.violation(config) ?? [];
  if (typeof violation === "string") return [violation + placesOf(rule.keys, config, settings)];
  return violation.map(({ key, at, text }) => `${keyShown(key, at)}${placeOf(settings.get(key), at)}: ${text}`);
}

function placeOf(setting: RawSetting | undefined, at: ValuePath): string {
  return setting === undefined ? "" : ` (${originOf(setting, at)})`;
}

/** Returns the places where the settings of a rule are set, such as ` (edge.listen: gateway.toml:3; admin.listen: default)`. */
function placesOf(keys: readonly ConfigKey[], config: Config, settings: RuleInput["settings"]): string {
  const used = keys.filter((key) => config[key] !== undefined);
  if (!used.some((key) => settings.has(key))) return "";
  const places = used.map((key) => {
    const setting = settings.get(key);
    return `${key}: ${setting === undefined ? "default" : originOf(setting)}`;
  });
  return ` (${places.join("; ")})`;
}

/** A configuration with the URLs of a backend. `serve` requires these URLs. `dev` and `demo` set them. */
export type GatewayConfig = Config;

/** Throws a `ConfigError` if a URL of the backend is missing. */
export function requireBackend(config: Config): GatewayConfig {
  const violations = BACKEND_RULES.flatMap((rule) => violationsOf(rule, config, NO_INPUT.settings));
  if (violations.length > 0) throw new ConfigError(violations);
  return config;
}

function missing(key: ConfigKey, what: string): string {
  return `${key}: missing, expected ${what}; set ${variableOf(key)} or --set ${key}=…`;
}

function atMostOne(
  value: "keys.current" | "keys.next" | "keys.previous" | "backend.token",
  file: `${typeof value}_file`,
): Rule {
  return {
    keys: [value, file],
    violation: (config) =>
      config[value] === undefined || config[file] === undefined
        ? undefined
        : `${value} and ${file} are both given, expected one of them`,
  };
}

/**
 * If a CA file or a client certificate for Redis is set, requires a Redis URL with TLS, because the operator then expects TLS.
 */
function requiresRedisTls(file: "stores.redis.ca_file" | "stores.redis.certificate_file"): Rule {
  return {
    keys: [file, "stores.redis.url"],
    violation(config) {
      const url = config["stores.redis.url"];
      if (config[file] === undefined || url === undefined || url.startsWith("rediss:")) return undefined;
      return `${file} is given, but stores.redis.url does not start with rediss://, expected a URL with TLS`;
    },
  };
}

/** If a CA file or a client certificate for the backend is set, requires a backend URL with TLS. */
function requiresBackendTls(file: "backend.ca_file" | "backend.certificate_file"): Rule {
  return {
    keys: [file, "backend.url", "upstreams"],
    violation(config) {
      const urls = [config["backend.url"] ?? [], config.upstreams.map(({ url }) => url)].flat();
      if (config[file] === undefined || urls.length === 0 || urls.some((url) => url.startsWith("https:"))) return undefined;
      return `${file} is given, but no URL of the backend starts with https://, expected a URL with TLS`;
    },
  };
}

type CertificateKey = "tls.certificate_file" | "stores.redis.certificate_file" | "backend.certificate_file";
type PrivateKeyKey = "tls.key_file" | "stores.redis.key_file" | "backend.key_file";

function bothOrNeither(first: CertificateKey, second: PrivateKeyKey): Rule {
  return {
    keys: [first, second],
    violation(config) {
      if ((config[first] === undefined) === (config[second] === undefined)) return undefined;
      const [given, missing] = config[first] === undefined ? [second, first] : [first, second];
      return `${given} is given without ${missing}, expected both`;
    },
  };
}

type ListenKey = "edge.listen" | "grpc.listen" | "admin.listen" | "push.listen" | "dev.backend_listen" | "dev.push_listen";

/**
 * Refuses two listeners with the same port, if their addresses are equal or one is a wildcard. Accepts port 0, because the
 * system then chooses a free port.
 */
function differentAddresses(first: ListenKey, second: ListenKey): Rule {
  return {
    keys: [first, second],
    violation(config) {
      const [a, b] = [config[first], config[second]];
      if (a.port !== b.port || a.port === 0 || !isUsed(first, config) || !isUsed(second, config)) return undefined;
      if (a.host !== b.host && !isWildcard(a.host) && !isWildcard(b.host)) return undefined;
      return `${first} and ${second} both listen on port ${a.port}, expected different ports`;
    },
  };
}

function isUsed(key: ListenKey, config: Config): boolean {
  if (key === "push.listen") return hasPrivateListener(config);
  return key !== "grpc.listen" || config["edge.grpc"] === "own-port";
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
