import { formatIp, parseIp } from "../../core/ip-address.ts";

/**
 * A header of the PROXY protocol, version 1 or 2. A TCP load balancer sends it before all other bytes, to name the client whose
 * connection it forwards. Section numbers below refer to https://www.haproxy.org/download/3.1/doc/proxy-protocol.txt.
 */
export interface ProxyHeader {
  /** Length of the header, in bytes. The bytes of the client follow. */
  readonly headerBytes: number;
  /**
   * The client's address. `undefined` in two cases: the proxy itself opened the connection for a health check, or the proxy
   * does not know the client's address.
   */
  readonly address: string | undefined;
}

/**
 * `none` means that the connection has no PROXY header. `more` means that more bytes are needed to find or to parse the PROXY
 * header.
 */
export type ProxyRead = ProxyHeader | "none" | "more";

/** Thrown if a PROXY header is malformed or not allowed. The connection must be closed. */
export class ProxyProtocolError extends Error {
  override readonly name = "ProxyProtocolError";
}

/**
 * Maximum length of a PROXY header, in bytes. It leaves space for optional fields (type-length-values). A header of this length
 * fits into one packet, as section 2.2 of the PROXY protocol recommends.
 */
export const PROXY_HEADER_BYTES_MAX = 536;

const V1_START = Buffer.from("PROXY ", "latin1");
/** Maximum length of a header of version 1, in bytes, including CR LF (PROXY protocol, section 2.1). */
const V1_BYTES_MAX = 107;
const V2_START = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V2_FIXED_BYTES = 16;

/** Parses the PROXY header at the start of `bytes`. `bytes` must be all bytes received so far. Throws ProxyProtocolError. */
export function readProxyHeader(bytes: Buffer): ProxyRead {
  const v1 = startsWith(bytes, V1_START);
  if (v1 === "yes") return readV1(bytes);
  const v2 = startsWith(bytes, V2_START);
  if (v2 === "yes") return readV2(bytes);
  return v1 === "more" || v2 === "more" ? "more" : "none";
}

/**
 * Returns whether `bytes` begin with `start`. Returns `more` if `bytes` are shorter than `start` and equal to its beginning.
 */
export function startsWith(bytes: Buffer, start: Buffer): "yes" | "no" | "more" {
  const length = Math.min(bytes.length, start.length);
  if (bytes.compare(start, 0, length, 0, length) !== 0) return "no";
  return length === start.length ? "yes" : "more";
}

/**
 * Parses a header of version 1 (PROXY protocol, section 2.1). The header is one line that ends with CR LF:
 *
 * - `PROXY TCP4 <source> <destination> <source port> <destination port>`, or the same with `TCP6`
 * - `PROXY UNKNOWN` with arbitrary text
 */
function readV1(bytes: Buffer): ProxyRead {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf("\r\n");
  if (end < 0 && bytes.length < V1_BYTES_MAX) return "more";
  if (end < 0) throw new ProxyProtocolError(`no end of line within ${V1_BYTES_MAX} bytes`);
  const headerBytes = end + 2;
  const words = bytes.toString("latin1", V1_START.length, end).split(" ");
  const [family, source = "", destination = "", ...ports] = words;
  if (family === "UNKNOWN") return { headerBytes, address: undefined };
  if (family !== "TCP4" && family !== "TCP6") throw new ProxyProtocolError("the family is not TCP over IP");
  const [address] = [source, destination].map((text) => v1Address(text, family));
  if (ports.length !== 2 || !ports.every(isV1Port)) throw new ProxyProtocolError("the ports are malformed");
  return { headerBytes, address };
}

function v1Address(text: string, family: "TCP4" | "TCP6"): string {
  const address = text.includes(":") === (family === "TCP6") ? parseIp(text) : undefined;
  if (address === undefined) throw new ProxyProtocolError("an address is malformed or of another family");
  return formatIp(address);
}

function isV1Port(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff;
}

/**
 * Parses a header of version 2 (PROXY protocol, section 2.2). The fields, in this order:
 *
 * - signature, 12 bytes
 * - version and command, 1 byte
 * - family and transport, 1 byte
 * - length of the remaining fields, 2 bytes
 * - addresses and ports
 * - optional type-length-values
 */
function readV2(bytes: Buffer): ProxyRead {
  if (bytes.length < V2_FIXED_BYTES) return "more";
  const headerBytes = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (headerBytes > PROXY_HEADER_BYTES_MAX) throw new ProxyProtocolError(`longer than ${PROXY_HEADER_BYTES_MAX} bytes`);
  const command = bytes[12];
  const isLocal = command === 0x20;
  if (!isLocal && command !== 0x21) throw new ProxyProtocolError("the version or command is unknown");
  if (bytes.length < headerBytes) return "more";
  const address = isLocal ? undefined : v2Source(bytes[13], bytes.subarray(V2_FIXED_BYTES, headerBytes));
  return { headerBytes, address };
}

/**
 * Returns the source address, which is the first address in the address block of the header. Returns `undefined` for the family
 * UNSPEC, which has no address. Supports TCP over IPv4 and TCP over IPv6. Throws for all other families.
 */
function v2Source(family: number | undefined, block: Buffer): string | undefined {
  if (family === 0x00) return undefined;
  if (family === 0x11 && block.length >= 12) return block.subarray(0, 4).join(".");
  if (family !== 0x21 || block.length < 36)
    throw new ProxyProtocolError("the family is not TCP over IP, or its addresses are incomplete");
  const groups = Array.from({ length: 8 }, (_, at) => block.readUInt16BE(2 * at).toString(16));
  const address = parseIp(groups.join(":"));
  return address && formatIp(address);
}
