/**
 * A response message that a unary handler has already encoded with `call.codec`. The server sends it without compression:
 * compressing a long message of signed parts takes milliseconds and saves little.
 */
export class EncodedMessage {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}
