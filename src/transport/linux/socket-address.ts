import { formatIp } from "../../core/ip-address.ts";

/** Linux's own numbers (bits/socket.h). */
const AF_INET = 2;
const AF_INET6 = 10;

/** Where the address begins: struct sockaddr_in, and struct sockaddr_in6, in which the flow comes before it (netinet/in.h). */
const IPV4_OFFSET = 4;
const IPV6_OFFSET = 8;
const IPV6_GROUPS = 8;

const PORT_OFFSET = 2;

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
/** What any address takes (struct sockaddr_storage). */
const STORAGE_BYTES = 128;
/** The most that an address of IP takes, in words. */
const ADDRESS_WORDS = 6;

/** An address and port as the system writes them down: struct sockaddr, of IPv4 or IPv6. */
export class SocketAddress {
  /** What the system writes it into; as numbers, they mean nothing by themselves. */
  readonly words = new Uint32Array(new ArrayBuffer(STORAGE_BYTES));
  readonly #view = new DataView(this.words.buffer);
  readonly #family = new Uint16Array(this.words.buffer, 0, 1);

  /** How many of the words an address of this family takes; 0 for one that is not of IP. */
  get wordCount(): number {
    const family = this.#family[0];
    if (family === AF_INET) return 2;
    return family === AF_INET6 ? ADDRESS_WORDS : 0;
  }

  get port(): number {
    return this.#view.getUint16(PORT_OFFSET);
  }

  /** Of a socket that listens: whether it does on every address. */
  get isAnyAddress(): boolean {
    return this.#addressWords.every((word) => word === 0);
  }

  hasAddressOf(other: SocketAddress): boolean {
    return this.#family[0] === other.#family[0] && this.#addressWords.every((word, at) => word === other.#addressWords[at]);
  }

  get #addressWords(): Uint32Array {
    return this.words.subarray((this.#family[0] === AF_INET ? IPV4_OFFSET : IPV6_OFFSET) / WORD_BYTES, this.wordCount);
  }

  /** The IP address as text; IPv4 within IPv6 is left as it is. */
  get address(): string {
    const view = this.#view;
    if (this.#family[0] === AF_INET) {
      return formatIp({ family: 4, parts: [0, 1, 2, 3].map((at) => view.getUint8(IPV4_OFFSET + at)) });
    }
    return formatIp({ family: 6, parts: Array.from({ length: IPV6_GROUPS }, (_, at) => view.getUint16(IPV6_OFFSET + 2 * at)) });
  }
}
