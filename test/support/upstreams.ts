import { upstreamSettings } from "../../src/app/upstream-settings.ts";
import { Upstreams, type UpstreamsParts } from "../../src/backend/upstreams/upstreams.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { systemClock } from "../../src/core/clock.ts";
import { RecordingMetrics } from "../unit/backend/support/recorders.ts";
import { SILENT_LOG } from "./silent-log.ts";

/** The upstreams of a configuration. */
export function openUpstreams(settings: Partial<Config>, parts: Partial<UpstreamsParts> = {}): Upstreams {
  const config = loadConfig({ env: {}, overrides: settings });
  const all = { clock: systemClock, random: Math.random, log: SILENT_LOG, metrics: new RecordingMetrics(), ...parts };
  return new Upstreams(upstreamSettings(config), all);
}

/** A backend with one URL. */
export function upstreamAt(url: string, token?: string): Upstreams {
  return openUpstreams({ "backend.url": url, "backend.token": token });
}
