import { EMAIL_LOGIN, type PublicRouteEntry } from "../../src/core/public-routes.ts";

/** The calls of login by e-mail code, under the default paths and under those of configured rows. */
export const LOGIN_PATHS = [
  {
    rows: "default rows",
    SEND: "/api/v1/public/auth/send-email-code",
    CONFIRM: "/api/v1/public/auth/confirm-email-code",
  },
  { rows: "configured rows", SEND: "/v2/login/start", CONFIRM: "/v2/login/finish" },
] as const;

const [DEFAULT, CONFIGURED] = LOGIN_PATHS;

/** Rows for the same calls under other paths, with names. They share the budgets of the default rows. */
export const CONFIGURED_LOGIN: readonly PublicRouteEntry[] = EMAIL_LOGIN.map((row) =>
  row.path === DEFAULT.SEND
    ? { ...row, name: "start", path: CONFIGURED.SEND }
    : { ...row, name: "finish", path: CONFIGURED.CONFIRM },
);

/** The paths of the embedded backend that serve the configured rows. */
export const SERVED_BY: Readonly<Record<string, string>> = {
  [CONFIGURED.SEND]: DEFAULT.SEND,
  [CONFIGURED.CONFIRM]: DEFAULT.CONFIRM,
};
