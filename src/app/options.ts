import type { Config } from "../config/schema.ts";
import { isStrictPublicKey } from "../crypto/public-key.ts";
import type { PublicRoute } from "../http/public-auth.ts";
import { checkConfirmCode, checkSendCode } from "../http/public-schema.ts";

/** The configuration, in the shapes of those who live by it. */

export function pipelineOptions(config: Config) {
  return {
    payloadBytesMax: config["limits.payload_bytes_max"],
    freshness: { windowMs: config["freshness.window_ms"], marginMs: config["freshness.margin_ms"] },
  };
}

export const PUBLIC_ROUTES: readonly PublicRoute[] = [
  { path: "/api/v1/public/auth/send-email-code", check: checkSendCode, identity: "send_code" },
  {
    path: "/api/v1/public/auth/confirm-email-code",
    check: (json) => checkConfirmCode(json, isStrictPublicKey),
    identity: "confirm_code",
  },
];
