import type { PeerGuard } from "../../src/rpc/peer-guard.ts";

/** A guard that admits every peer. */
export const UNGUARDED: PeerGuard<unknown> = { check() {}, charge() {} };
