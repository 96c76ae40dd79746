import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type FlatMessage, type FlatType, flatType } from "./flat-fields.ts";

/**
 * A writer is reused only if its last message had at most this many bytes. The reason is that a writer never frees its buffer,
 * which grows to the length of its longest message.
 */
const KEPT_BYTES_MAX = 64 * 1024;

/**
 * Returns a fast writer for a type of flat messages (flat-fields.ts). Returns `undefined` if the type is not flat.
 *
 * The writer produces the same bytes as protobuf-es in a third of the time. It reuses one buffer. It encodes an initializer
 * object directly, without creating a message.
 */
export function flatWriter(desc: DescMessage): ((message: FlatMessage) => Uint8Array<ArrayBuffer>) | undefined {
  const type = flatType(desc);
  if (type === undefined) return undefined;
  let spare: BinaryWriter | undefined;
  return (message) => {
    const writer = spare ?? new BinaryWriter();
    // If the encoding throws, the writer must not be reused.
    spare = undefined;
    writeMessage(writer, message, type);
    const bytes = writer.finish();
    if (bytes.byteLength <= KEPT_BYTES_MAX) spare = writer;
    return bytes;
  };
}

function writeMessage(writer: BinaryWriter, message: FlatMessage, type: FlatType | undefined): void {
  for (const { name, tag, message: inner } of type?.fields ?? []) {
    const value = message[name];
    if (typeof value === "string") {
      if (value !== "") writer.uint32(tag).string(value);
    } else if (typeof value === "bigint") {
      if (value !== 0n) writer.uint32(tag).int64(value);
    } else if (value instanceof Uint8Array) {
      if (value.byteLength > 0) writer.uint32(tag).bytes(value);
    } else if (value !== undefined) {
      writer.uint32(tag).fork();
      writeMessage(writer, value, inner);
      writer.join();
    }
  }
}
