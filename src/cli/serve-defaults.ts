/**
 * The defaults of `sallyport serve` that differ from those of the schema. During `shutdown.drain_ms`, a load balancer can start
 * to send clients to other gateways. During `shutdown.spread_ms`, the streams end one after the other.
 */
export const SERVE_DEFAULTS = { "shutdown.drain_ms": 5000, "shutdown.spread_ms": 3000, "workers.count": "auto" } as const;
