import { type Encoding, pack } from "./packed-shapes.ts";

/**
 * How the message of an input is written. `head`: the message is beside the point, the fields of the head are not. `packed`: the bytes are
 * a body as it is sent. `base64`: the bytes are the whole body of gRPC-Web text.
 */
export type Kind = "json" | "proto" | "rest" | "head" | "base64" | Encoding;

/** One input of unusual cost, for every way that carries its kind. */
export interface HostileInput {
  /** What it is; unique in the corpus. */
  readonly name: string;
  readonly kind: Kind;
  /** The message before packing and framing; of the packed kinds, after packing. */
  readonly bytes: Uint8Array;
  /** Fields of the head besides the way's own. */
  readonly headers?: Readonly<Record<string, string>>;
}

const packedOnce = new WeakMap<Uint8Array, Map<Encoding, Uint8Array>>();

/** The bytes of the input's message as a way sends them: packed where the way packs. */
export function messageOn(input: HostileInput, encoding: Encoding | undefined): Uint8Array {
  if (encoding === undefined || input.kind === encoding) return input.bytes;
  const known = packedOnce.get(input.bytes) ?? new Map<Encoding, Uint8Array>();
  packedOnce.set(input.bytes, known);
  const packed = known.get(encoding) ?? pack(encoding, input.bytes);
  known.set(encoding, packed);
  return packed;
}
