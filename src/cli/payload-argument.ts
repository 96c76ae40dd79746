import { createReadStream } from "node:fs";
import { whyUnreadable } from "../core/file-problem.ts";
import { utf8Text } from "../core/json-body.ts";
import { JsonTextError, scanJson } from "../core/json-text.ts";
import { UsageError } from "./arguments/parse.ts";

/** Maximum size of a payload, in bytes: the upper bound of the gateway's setting `limits.payload_bytes_max`. */
const BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads a payload. `argument` is the payload, or `@FILE` for the content of a file, or `-` for standard input. Without
 * `argument`, the payload is empty. Rejects with `UsageError` if the payload is too large or cannot be read. Unless `isRaw` is
 * true, also rejects if the payload is not JSON.
 */
export async function readPayload(argument: string | undefined, isRaw: boolean, signal: AbortSignal): Promise<Uint8Array> {
  if (argument === undefined) return new Uint8Array();
  const { bytes, name } = await read(argument, signal);
  return isRaw ? bytes : checkedJson(bytes, name);
}

async function read(argument: string, signal: AbortSignal): Promise<{ bytes: Uint8Array; name: string }> {
  if (argument === "-") {
    const name = "standard input";
    return { bytes: await bytesOf(Bun.stdin.stream(), name, signal), name };
  }
  if (!argument.startsWith("@")) return { bytes: new TextEncoder().encode(argument), name: "the payload" };
  const name = argument.slice(1);
  return { bytes: await bytesOf(createReadStream(name, { signal }), name, signal), name };
}

async function bytesOf(source: AsyncIterable<Uint8Array>, name: string, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of source) {
      signal.throwIfAborted();
      size += chunk.byteLength;
      if (size > BYTES_MAX) throw new UsageError(`${name} is larger than ${BYTES_MAX} bytes, the most that a gateway accepts`);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name} cannot be read: ${whyUnreadable(error)}`);
  }
  return Buffer.concat(chunks);
}

function checkedJson(bytes: Uint8Array, name: string): Uint8Array {
  const text = utf8Text(bytes);
  if (text === undefined) throw new UsageError(`${name} is not UTF-8; for a route with raw payloads, add --raw-payload`);
  if (text.trim() === "") throw new UsageError(`${name} is empty; for a command without a payload, leave the argument out`);
  try {
    scanJson(text);
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    throw new UsageError(`${name} is not valid: ${error.message}`);
  }
  return bytes;
}
