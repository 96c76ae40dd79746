import type { Config } from "../config/schema.ts";
import type { Peer } from "../core/admission.ts";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import { Health as HealthService } from "../gen/grpc/health/v1/health_pb.ts";
import { Gateway } from "../gen/sallyport/v1/gateway_pb.ts";
import type { AnyMethod } from "../rpc/service.ts";
import { Health } from "../rpc/services/health.ts";
import { reflection } from "../rpc/services/reflection.ts";
import type { Readiness } from "./readiness.ts";

/** Interval at which the gRPC health service checks whether the gateway is ready. */
const READINESS_INTERVAL_MS = 1000;

/** The services that gRPC tools expect: health, and also reflection if `reflection.enabled` is set. */
export interface StandardServices {
  readonly methods: readonly AnyMethod<Peer>[];
  /** Sends the status NOT_SERVING to all clients that watch the gateway's health. Then ends every stream of these services. */
  shutDown(): void;
}

export function standardServices(config: Config, readiness: Readiness): StandardServices {
  const health = new Health();
  const stopping = new AbortController();
  const update = () => {
    const isReady = readiness.reasons().length === 0;
    for (const service of ["", Gateway.typeName]) health.set(service, isReady);
  };
  update();
  readiness.onChange(update);
  const timer = setInterval(update, READINESS_INTERVAL_MS).unref();
  // The gateway sends the reason of a refusal as an error detail. Reflection includes the .proto file of this detail, so that
  // tools can decode it.
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
