import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import type { Reason } from "../../../../src/core/reasons.ts";
import type { Refusal } from "../../../../src/core/refusal.ts";
import { type GatewayEvent, GatewayEventSchema } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import type { EventCodec, Sink, SinkListener } from "../../../../src/hub/sink.ts";
import { FRAME_HEADER_BYTES } from "../../../../src/rpc/frame.ts";

/** A stream without a connection. Its client reads everything immediately, unless `isBlocked`. */
export class FakeSink implements Sink {
  readonly codec: EventCodec;
  readonly isBase64: boolean;
  readonly protocol: string;
  readonly frames: Uint8Array[] = [];
  readonly ends: Reason[] = [];
  /** If true, the client does not read, and written bytes stay queued. */
  isBlocked = false;
  queuedBytes = 0;
  ended = false;
  #onEnd: SinkListener[] = [];
  #onDrain: (() => void)[] = [];

  constructor(codec: EventCodec = "proto", protocol = "connect") {
    this.codec = codec;
    this.isBase64 = protocol === "grpc-web-text";
    this.protocol = protocol;
  }

  write(frame: Uint8Array): void {
    this.frames.push(frame);
    if (this.isBlocked) this.queuedBytes += frame.byteLength;
  }

  end(refusal: Refusal): void {
    if (this.ended) return;
    this.ends.push(refusal.reason);
    this.#finish(refusal);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.isBlocked || this.ended) resolve();
      else this.#onDrain.push(resolve);
    });
  }

  onEnd(listener: SinkListener): void {
    if (this.ended) listener.ended(undefined);
    else this.#onEnd.push(listener);
  }

  /** The client reads all queued bytes, and keeps reading. */
  unblock(): void {
    this.isBlocked = false;
    this.readOnce();
  }

  /** The client reads all queued bytes. */
  readOnce(): void {
    this.queuedBytes = 0;
    for (const listener of this.#onDrain.splice(0)) listener();
  }

  /** The client disconnects. */
  disconnect(): void {
    if (!this.ended) this.#finish(undefined);
  }

  #finish(thrown: Refusal | undefined): void {
    this.ended = true;
    for (const listener of this.#onEnd.splice(0)) listener.ended(thrown);
    for (const listener of this.#onDrain.splice(0)) listener();
  }

  get events(): GatewayEvent[] {
    return this.frames.map((written) => {
      const frame = this.isBase64 ? Uint8Array.fromBase64(Buffer.from(written).toString()) : written;
      const message = frame.subarray(FRAME_HEADER_BYTES);
      if (this.codec === "proto") return fromBinary(GatewayEventSchema, message);
      return fromJsonString(GatewayEventSchema, new TextDecoder().decode(message));
    });
  }

  get types(): (string | undefined)[] {
    return this.events.map(({ envelope }) => envelope?.eventType);
  }

  get ids(): string[] {
    return this.events.map(({ envelope }) => envelope?.eventId ?? "");
  }

  /** The ids of the events that the backend sent. */
  get delivered(): string[] {
    return this.events
      .filter(({ envelope }) => envelope?.eventType.startsWith("gateway.") === false)
      .map(({ envelope }) => envelope?.eventId ?? "");
  }

  /** The payload of the first event, `gateway.server_time`. */
  get serverTime(): { readonly resumed?: boolean } {
    return JSON.parse(new TextDecoder().decode(this.events[0]?.payloadBytes));
  }
}
