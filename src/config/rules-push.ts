import type { Rule } from "./rule.ts";
import type { Config, ConfigKey } from "./schema.ts";

/** Whether the gateway opens the private listener. */
export function hasPrivateListener(config: Config): boolean {
  const source = config["push.source"];
  const hasToken = config["push.token"] !== undefined || config["push.token_file"] !== undefined;
  return source === "http" || (source === "redis" && hasToken);
}

type Source = Config["push.source"];

/** A setting that is given, but has no effect with the chosen push source. */
export interface UnusedSetting {
  readonly key: "history.checkpoint_file";
  readonly source: Source;
  /** What stores the events with this push source, as a clause for messages. */
  readonly instead: string;
}

const KEPT_BY: Readonly<Record<Exclude<Source, "feed">, string>> = {
  http: "push.log_file keeps its events",
  redis: "the Redis Stream keeps its events",
};

/**
 * Returns `history.checkpoint_file` if it has no effect. This is no error, because the shipped systemd unit sets it for every push
 * source.
 */
export function unusedSetting(config: Config): UnusedSetting | undefined {
  const source = config["push.source"];
  if (config["history.checkpoint_file"] === undefined || source === "feed") return undefined;
  return { key: "history.checkpoint_file", source, instead: KEPT_BY[source] };
}

/** The rules about the settings of the push sources. */
export const PUSH_RULES: readonly Rule[] = [
  only("push.url", ["feed"], "only the gRPC stream of the backend has a URL"),
  only("push.token", ["http", "redis"], "only the private listener takes a token"),
  only("push.token_file", ["http", "redis"], "only the private listener takes a token"),
  only("push.log_file", ["http"], "feed and redis read missed events again from the backend or from Redis"),
  only("push.redis.url", ["redis"], "only the Redis Stream is read from there"),
  {
    keys: ["push.token", "push.token_file"],
    violation: (config) =>
      config["push.token"] === undefined || config["push.token_file"] === undefined
        ? undefined
        : "push.token and push.token_file are both given, expected one of them",
  },
  {
    keys: ["push.source", "push.token", "push.token_file"],
    violation(config) {
      if (config["push.source"] !== "http") return undefined;
      if (config["push.token"] !== undefined || config["push.token_file"] !== undefined) return undefined;
      return "push.source is http without push.token and push.token_file, expected one of them: callers of the private listener authenticate by it; generate one with `openssl rand -base64 32`";
    },
  },
  {
    keys: ["push.source", "push.redis.url", "stores.redis.url"],
    violation(config) {
      if (config["push.source"] !== "redis") return undefined;
      if (config["push.redis.url"] !== undefined || config["stores.redis.url"] !== undefined) return undefined;
      return "push.source is redis without push.redis.url and stores.redis.url, expected one of them: the URL of the Redis with the stream";
    },
  },
];

/** Refuses a setting that has no effect with the chosen push source, because the operator expects an effect. */
function only(key: ConfigKey, sources: readonly Source[], why: string): Rule {
  return {
    keys: [key, "push.source"],
    violation(config) {
      const source = config["push.source"];
      if (config[key] === undefined || sources.includes(source)) return undefined;
      return `${key} is given, but push.source is ${source}, expected push.source = ${sources.join(" or ")}, or no ${key}: ${why}`;
    },
  };
}
