import type { Config } from "../config/schema.ts";
import type { Peer } from "../core/ports.ts";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import { Health as HealthService } from "../gen/grpc/health/v1/health_pb.ts";
import { Gateway } from "../gen/sallyport/v1/gateway_pb.ts";
import type { AnyMethod } from "../rpc/service.ts";
import { Health } from "../rpc/services/health.ts";
import { reflection } from "../rpc/services/reflection.ts";
import type { Readiness } from "./readiness.ts";

/** How often the health service looks whether the gateway is ready. */
const READINESS_INTERVAL_MS = 1000;

/** What gRPC's tools expect of a server besides its own services: health, and reflection where it is configured. */
export interface StandardServices {
  readonly methods: readonly AnyMethod<Peer>[];
  /** Tells watchers of health that the gateway goes, and ends every stream of these services. */
  shutDown(): void;
}

export function standardServices(config: Config, readiness: Readiness): StandardServices {
  const health = new Health();
  const stopping = new AbortController();
  const look = () => {
    const isReady = readiness.reasons().length === 0;
    for (const service of ["", Gateway.typeName]) health.set(service, isReady);
  };
  look();
  readiness.onChange(look);
  const timer = setInterval(look, READINESS_INTERVAL_MS).unref();
  // Refusals carry their reason in a detail, which no method names: with its file, tools can show it.
  const options = { files: [file_google_rpc_error_details], stopping: stopping.signal };
  const reflected = config["reflection.enabled"] ? reflection<Peer>([Gateway, HealthService], options) : [];
  return {
    methods: [...health.methods<Peer>(), ...reflected],
    shutDown() {
      clearInterval(timer);
      health.shutDown();
      stopping.abort();
    },
  };
}
