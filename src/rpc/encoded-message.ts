/**
 * A response message that a unary handler has already encoded with `call.codec`. The server sends it without compression.
 * Compressing many signed events would take milliseconds and save little.
 */
export class EncodedMessage {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}
