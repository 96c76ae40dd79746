/** What a room (a folder of `src/`, or `main.ts`) is, and what it may import besides itself: rooms, or single files. */
export interface ImportRule {
  readonly is: string;
  readonly mayImport: readonly string[];
}

const REDIS_CONNECTION = ["connection", "link", "redis-call", "redis-tls", "script", "server-info"];

/** `test/tidy.test.ts` enforces these rules; `bun run docs` writes them into `src/README.md`. */
export const IMPORT_RULES: Readonly<Record<string, ImportRule>> = {
  gen: { is: "generated code", mayImport: [] },
  core: { is: "shared types, limits, the catalogue", mayImport: [] },
  crypto: { is: "signing inputs, keys", mayImport: ["core"] },
  rpc: {
    is: "the RPC layer; could be a library",
    mayImport: ["gen", "core/clock.ts", "core/content-coding.ts", "core/live-set.ts", "core/media-type.ts"],
  },
  pipeline: { is: "the checks", mayImport: ["core", "crypto", "gen"] },
  hub: { is: "streams and events", mayImport: ["core", "crypto", "gen", "rpc/frame.ts"] },
  hpack: { is: "header compression of HTTP/2, for peers with a small table", mayImport: [] },
  stores: { is: "implementations of the store ports", mayImport: ["core"] },
  backend: {
    is: "the backend's REST and the push sources",
    mayImport: [
      ...["core", "gen", "hpack", "schema", "rpc/http.ts", "transport/listener.ts", "transport/limits/body-timers.ts"],
      ...["bun-listener", "exact-app", "fetch-host", "request-url"].map((file) => `transport/bun/${file}.ts`),
      ...REDIS_CONNECTION.map((file) => `stores/redis/${file}.ts`),
    ],
  },
  transport: { is: "listeners", mayImport: ["core", "hpack", "rpc"] },
  service: {
    is: "the RPCs and public REST",
    mayImport: ["core", "crypto", "gen", "rpc", "pipeline", "hub", "schema"],
  },
  admin: { is: "the admin listener", mayImport: ["core", "hub", "transport"] },
  observe: { is: "log, metrics, traces", mayImport: ["core"] },
  schema: { is: "JSON Schemas of payloads", mayImport: ["core"] },
  config: { is: "settings", mayImport: ["core", "schema"] },
  openapi: { is: "routes and payload schemas from an OpenAPI document", mayImport: ["config", "core", "schema"] },
  workers: { is: "several processes on one port", mayImport: ["core", "hub", "observe"] },
  upgrade: { is: "one process replaces another: messages, kept answers", mayImport: ["core", "workers"] },
  client: {
    is: "the client",
    mayImport: ["gen", "crypto/signing-input.ts", "core/backoff.ts", "core/grammar.ts", "core/reasons.ts"],
  },
  dev: { is: "the embedded backend, the playground", mayImport: ["core", "gen", "client/index.ts"] },
  app: {
    is: "the composition root",
    mayImport: [
      ...["admin", "backend", "config", "core", "crypto", "gen", "hub", "observe", "pipeline", "rpc", "service"],
      ...["stores", "transport", "upgrade", "workers"],
    ],
  },
  cli: {
    is: "commands",
    mayImport: ["app", "client", "config", "core", "crypto", "dev", "observe", "openapi", "upgrade", "workers"],
  },
  main: { is: "the entry point of the executable", mayImport: ["cli"] },
};
