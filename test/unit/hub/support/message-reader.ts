import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { GatewayEventSchema } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import type { EventCodec } from "../../../../src/hub/sink.ts";
import { FRAME_HEADER_BYTES } from "../../../../src/rpc/frame.ts";
import type { FakeSink } from "./fake-sink.ts";
import { NOW } from "./hub-fixture.ts";
import { LARGE_BYTES } from "./model-stream.ts";

const NUMBER_BYTES = 4;

/** A message in the text form of the model, and its event id. */
interface DecodedMessage {
  readonly text: string;
  readonly id: string;
}

/** Decodes the messages of a stream. */
export class MessageReader {
  readonly sink: FakeSink;
  /** The event ids of all messages read so far. */
  readonly ids: string[] = [];

  constructor(sink: FakeSink) {
    this.sink = sink;
  }

  /** The messages since the last call, in the text form of the model. */
  readNew(): string[] {
    const messages = this.sink.frames.slice(this.ids.length).map((frame) => decode(frame, this.sink.codec));
    this.ids.push(...messages.map(({ id }) => id));
    return messages.map(({ text }) => text);
  }
}

/** The payload of a published event: its number, then `size` times `LARGE_BYTES` zeros. */
export function payloadOf(n: number, size: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES + size * LARGE_BYTES);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

/** Streams share frames, so each frame is decoded once. */
const decoded = new WeakMap<Uint8Array, DecodedMessage>();

function decode(frame: Uint8Array, codec: EventCodec): DecodedMessage {
  const known = decoded.get(frame);
  if (known !== undefined) return known;
  const bytes = frame.subarray(FRAME_HEADER_BYTES);
  const { envelope, payloadBytes } =
    codec === "proto"
      ? fromBinary(GatewayEventSchema, bytes)
      : fromJsonString(GatewayEventSchema, new TextDecoder().decode(bytes));
  const { eventType = "", audience = "", timestampMs = 0n, eventId = "" } = envelope ?? {};
  const words = [eventType, audience, payloadText(eventType, payloadBytes), `at ${Number(timestampMs) - NOW}`];
  const message = { text: words.filter((word) => word !== "").join(" "), id: eventId };
  decoded.set(frame, message);
  return message;
}

function payloadText(eventType: string, bytes: Uint8Array): string {
  if (eventType === "chat.message") return `#${new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)}`;
  if (eventType !== "gateway.server_time") return "";
  return JSON.parse(new TextDecoder().decode(bytes)).resumed ? "resumed" : "fresh";
}
