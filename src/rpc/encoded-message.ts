/**
 * A response message that a unary handler has already encoded with `call.codec`. The server sends it without compression,
 * because compressing many signed events takes milliseconds and saves little.
 */
export class EncodedMessage {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}
