import type { PublicBackendCall } from "../../src/core/backend.ts";
import { EMAIL_LOGIN, type PublicRouteEntry } from "../../src/core/public-routes.ts";
import type { DeviceKeyRules } from "../../src/service/public/fields/device-key-check.ts";
import { compileRow, type PublicRow } from "../../src/service/public/public-row.ts";
import { type PublicPath, PublicTable } from "../../src/service/public/public-table.ts";

/** Accepts every key that has the right form. */
export const ANY_KEY: DeviceKeyRules = { algorithms: ["EdDSA", "ES256"], isStrictKey: () => true };

/** A call as a default row makes it. */
export const PLAIN_CALL: Omit<PublicBackendCall, "target" | "body"> = {
  method: "POST",
  isLogin: true,
  timeoutMs: undefined,
  bytesMax: undefined,
  headers: [],
  statuses: new Set(),
  hasSession: false,
};

/** The default row whose path ends in `name`, compiled. */
export function defaultRow(name: string, keyRules = ANY_KEY): PublicRow {
  return compileRow(defaultEntry(name), keyRules);
}

export function defaultEntry(name: string): PublicRouteEntry {
  const entry = EMAIL_LOGIN.find(({ path }) => path.endsWith(name));
  if (entry === undefined) throw new Error(`no default row ${name}`);
  return entry;
}

/** The only path of a table of these rows. */
export function onlyPath(entries: readonly PublicRouteEntry[], keyRules = ANY_KEY): PublicPath {
  const [path] = new PublicTable(entries, keyRules).paths;
  if (path === undefined) throw new Error("the table has no row");
  return path;
}
