import type { Log } from "../../src/core/telemetry.ts";

/** A log that discards every message. */
export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {}, error() {} };
