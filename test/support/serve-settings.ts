import { TEST_WORKERS } from "./test-gateway.ts";

/** Settings with which the commands start in tests. */

export const SEED = Buffer.alloc(32, 1).toString("base64");
export const ANY_PORTS = ["edge", "grpc", "admin"].flatMap((name) => ["--set", `${name}.listen=127.0.0.1:0`]);
export const ANY_DEV_PORTS = [...ANY_PORTS, "--set", "dev.backend_listen=127.0.0.1:0", "--set", "dev.push_listen=127.0.0.1:0"];

/** The settings that `serve` requires. */
export const SERVE_ENV = {
  SALLYPORT_KEYS_CURRENT: SEED,
  SALLYPORT_BACKEND_URL: "http://127.0.0.1:9",
  SALLYPORT_PUSH_URL: "http://127.0.0.1:9",
  SALLYPORT_WORKERS_COUNT: String(TEST_WORKERS),
};
