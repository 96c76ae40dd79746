import { type CipherKey, createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";

/**
 * Size of a token in bytes. In an event id, a token stands for a position of the push feed. With 72 bits, two positions of one
 * push feed practically never have the same token.
 */
export const TOKEN_BYTES = 9;

/** One AES block holds a token and a nonce. */
const BLOCK_BYTES = 16;
const NONCE_BYTES = BLOCK_BYTES - TOKEN_BYTES;
const CIPHER = "aes-128-ecb";
const KEY_BYTES = 16;
const INFO = "sallyport event ids v1";
/** Matches the base64url of 16 bytes: 21 digits, and a last digit whose unused bits are zero. */
const ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** Returns the token of a cursor of the push feed. All gateways compute the same token for the same cursor. */
export function tokenOfCursor(cursor: string): Buffer {
  return createHash("sha256").update(cursor).digest().subarray(0, TOKEN_BYTES);
}

/**
 * Derives the AES key for event ids from the seed of a signing key (HKDF, RFC 5869). All gateways with this signing key derive
 * the same AES key.
 */
export function eventIdKey(seed: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", seed, "", INFO, KEY_BYTES));
}

/**
 * Creates and reads event ids that name a position of the push feed. An id is one encrypted AES block, as base64url. The block
 * contains the token of the position, then a nonce.
 *
 * Clients have no key. So they learn neither the position of an id, nor whether two ids name the same position. Every gateway
 * with the same signing keys can read these ids.
 */
export class EventIds {
  readonly #keys: () => readonly [CipherKey, ...CipherKey[]];
  readonly #fillRandom: (bytes: Uint8Array) => void;

  /**
   * `keys`: returns the AES keys for event ids (see `eventIdKey`). The first key creates ids. All keys read ids, because signing
   * keys rotate.
   */
  constructor(keys: () => readonly [Uint8Array, ...Uint8Array[]], fillRandom: (bytes: Uint8Array) => void) {
    this.#keys = keys;
    this.#fillRandom = fillRandom;
  }

  /** Returns a new unique id. `token` is the token of the position that the id names. */
  create(token: Uint8Array): string {
    const block = Buffer.alloc(BLOCK_BYTES);
    block.set(token);
    const nonce = block.subarray(TOKEN_BYTES);
    this.#fillRandom(nonce);
    // The zero nonce is reserved for `idOfEvent`.
    if (nonce.every((byte) => byte === 0)) nonce.writeUInt8(1, NONCE_BYTES - 1);
    return this.#seal(block);
  }

  /**
   * Returns the id of a backend event. `token` is the token of the event's position in the push feed. Gateways with the same first
   * key create the same id.
   */
  idOfEvent(token: Uint8Array): string {
    const block = Buffer.alloc(BLOCK_BYTES);
    block.set(token);
    return this.#seal(block);
  }

  /**
   * Decrypts the token in the id with each key, and returns one result per key. Only the key that created the id gives the
   * right token. The other results are random bytes. Returns no results if the id is malformed.
   */
  tokensIn(id: string): Uint8Array[] {
    if (!ID.test(id)) return [];
    const block = Buffer.from(id, "base64url");
    return this.#keys().map((key) => {
      const decipher = createDecipheriv(CIPHER, key, null).setAutoPadding(false);
      return decipher.update(block).subarray(0, TOKEN_BYTES);
    });
  }

  #seal(block: Uint8Array): string {
    const [current] = this.#keys();
    return createCipheriv(CIPHER, current, null).setAutoPadding(false).update(block).toString("base64url");
  }
}
