import { formatIp } from "../../core/ip-address.ts";

/** Address families of Linux (bits/socket.h). */
const AF_INET = 2;
const AF_INET6 = 10;

/** Offset of the IPv4 address in struct sockaddr_in, in bytes (netinet/in.h). */
const IPV4_OFFSET = 4;
/** Offset of the IPv6 address in struct sockaddr_in6, in bytes. The flow information precedes the address. */
const IPV6_OFFSET = 8;
const IPV6_GROUPS = 8;

/** Offset of the port in both structs, in bytes. */
const PORT_OFFSET = 2;

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
/** Size of struct sockaddr_storage, in bytes. This struct can contain an address of every family. */
const STORAGE_BYTES = 128;
/** Number of 32-bit words of struct sockaddr_in6 from its start to the end of the address. */
const ADDRESS_WORDS = 6;

/** A socket address of IPv4 or IPv6, stored as a struct sockaddr. */
export class SocketAddress {
  /** The memory of the struct. System calls write to it. */
  readonly words = new Uint32Array(new ArrayBuffer(STORAGE_BYTES));
  readonly #view = new DataView(this.words.buffer);
  readonly #family = new Uint16Array(this.words.buffer, 0, 1);

  /** Number of 32-bit words from the start of the struct to the end of the address. 0 if the family is not IP. */
  get wordCount(): number {
    const family = this.#family[0];
    if (family === AF_INET) return 2;
    return family === AF_INET6 ? ADDRESS_WORDS : 0;
  }

  get port(): number {
    return this.#view.getUint16(PORT_OFFSET);
  }

  /** Whether the address is the wildcard address `0.0.0.0` or `::`. */
  get isAnyAddress(): boolean {
    return this.#addressWords.every((word) => word === 0);
  }

  hasAddressOf(other: SocketAddress): boolean {
    return this.#family[0] === other.#family[0] && this.#addressWords.every((word, at) => word === other.#addressWords[at]);
  }

  get #addressWords(): Uint32Array {
    return this.words.subarray((this.#family[0] === AF_INET ? IPV4_OFFSET : IPV6_OFFSET) / WORD_BYTES, this.wordCount);
  }

  /** The IP address as text. An IPv4-mapped IPv6 address stays in its IPv6 form. */
  get address(): string {
    const view = this.#view;
    if (this.#family[0] === AF_INET) {
      return formatIp({ family: 4, parts: [0, 1, 2, 3].map((at) => view.getUint8(IPV4_OFFSET + at)) });
    }
    return formatIp({ family: 6, parts: Array.from({ length: IPV6_GROUPS }, (_, at) => view.getUint16(IPV6_OFFSET + 2 * at)) });
  }
}
