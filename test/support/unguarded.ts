import type { PeerGuard } from "../../src/rpc/peer-guard.ts";

/** For servers whose tests are not about who may ask. */
export const UNGUARDED: PeerGuard<unknown> = { check() {}, charge() {} };
