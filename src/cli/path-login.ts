import type { JsonValue } from "@bufbuild/protobuf";
import { isJsonObject } from "../core/json-body.ts";
import type { Arguments } from "./arguments/parse.ts";
import { UsageError } from "./arguments/parse.ts";
import { readPayload } from "./payload-argument.ts";

const GUEST_PATH = "/api/v1/public/auth/guest";
/** Options of the login by e-mail code. No other login has them. */
const EMAIL_OPTIONS = ["email", "challenge", "code", "code-from-stdin"];

/** The call of a login without an e-mail code, such as a guest login. */
export interface PathLoginCall {
  readonly path: string;
  readonly fields: Readonly<Record<string, JsonValue>>;
}

/**
 * Returns the call that `--guest` or `--path` names, with the fields of `--fields`. Returns `undefined` for a login by e-mail
 * code. Rejects with `UsageError` if an option is invalid or excludes another.
 */
export async function pathLoginOf(args: Arguments, signal: AbortSignal): Promise<PathLoginCall | undefined> {
  const path = args.has("guest") ? GUEST_PATH : args.value("path");
  if (path === undefined && args.has("fields")) throw new UsageError("--fields needs --path or --guest");
  if (path === undefined) return undefined;
  if (args.has("guest") && args.has("path")) throw new UsageError("--guest and --path exclude each other");
  const other = EMAIL_OPTIONS.find((name) => args.has(name));
  if (other !== undefined) throw new UsageError(`--${other} belongs to a login by e-mail code, not to --guest or --path`);
  if (!/^\/(?![/\\])/.test(path)) throw new UsageError(`--path must be a path of the gateway, such as ${GUEST_PATH}`);
  return { path, fields: await fieldsOf(args.value("fields"), signal) };
}

async function fieldsOf(argument: string | undefined, signal: AbortSignal): Promise<PathLoginCall["fields"]> {
  if (argument === undefined) return {};
  const fields = JSON.parse(new TextDecoder().decode(await readPayload(argument, false, signal)));
  if (!isJsonObject(fields)) throw new UsageError("--fields must be a JSON object");
  // The cast is safe: the members of a parsed JSON object are JSON values.
  return fields as PathLoginCall["fields"];
}
