/** These delays give a load balancer time to send clients elsewhere. `sallyport dev` stops without them. */
export const SERVE_DEFAULTS = { "shutdown.drain_ms": 5000, "shutdown.spread_ms": 3000 };
