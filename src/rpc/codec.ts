import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  isMessage,
  type MessageInitShape,
  type MessageShape,
  type Registry,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type FlatMessage, flatWriter } from "./flat-writer.ts";

/** How messages are written: binary Protobuf, or Protobuf's JSON. */
export type CodecName = "proto" | "json";

/** Reads and writes the messages of one type. */
export interface Codec<Desc extends DescMessage> {
  /** Throws ConnectError `invalid_argument` on bytes that are not such a message. Unknown fields are ignored. */
  decode(bytes: Uint8Array): MessageShape<Desc>;
  encode(message: MessageInitShape<Desc>): Uint8Array<ArrayBuffer>;
}

export type Codecs<Desc extends DescMessage> = Readonly<Record<CodecName, Codec<Desc>>>;

const utf8Encoder = new TextEncoder();
/** Refuses what is not UTF-8, rather than putting replacement characters in its place. */
const utf8Decoder = new TextDecoder("utf-8", { fatal: true });

/** `registry`: the types that an Any in these messages may hold; JSON has to know them. */
export function codecsOf<Desc extends DescMessage>(desc: Desc, registry?: Registry): Codecs<Desc> {
  const whole = (message: MessageInitShape<Desc>) => (isMessage(message, desc) ? message : create(desc, message));
  return {
    proto: {
      decode: (bytes) => orUndecodable("proto", () => fromBinary(desc, bytes)),
      encode: binaryEncoder(desc) ?? ((message) => toBinary(desc, whole(message))),
    },
    json: {
      decode: (bytes) => {
        const parse = () => fromJsonString(desc, utf8Decoder.decode(bytes), { ignoreUnknownFields: true, registry });
        return orUndecodable("json", parse);
      },
      encode: (message) => utf8Encoder.encode(toJsonString(desc, whole(message), { registry })),
    },
  };
}

/** Only for types of which `flatWriter` writes every field; the descriptor says that the message is of that shape. */
function binaryEncoder<Desc extends DescMessage>(desc: Desc): Codec<Desc>["encode"] | undefined {
  const write = flatWriter(desc);
  return write && ((message) => write(message as FlatMessage));
}

function orUndecodable<T>(codec: CodecName, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new ConnectError(`the message cannot be read as ${codec}`, Code.InvalidArgument, undefined, undefined, cause);
  }
}
