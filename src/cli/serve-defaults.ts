/**
 * The defaults of `sallyport serve` that differ from those of `sallyport dev`. The delays give a load balancer time to send clients
 * to other gateways.
 */
export const SERVE_DEFAULTS = { "shutdown.drain_ms": 5000, "shutdown.spread_ms": 3000, "workers.count": "auto" } as const;
