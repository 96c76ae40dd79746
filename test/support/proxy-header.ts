/** PROXY protocol headers, as load balancers send them. */

/** A version 1 header: `PROXY TCP4 …` or `PROXY TCP6 …`. */
export function proxyV1(source: string): Buffer {
  const [family, destination] = source.includes(":") ? ["TCP6", "2001:db8::ffff"] : ["TCP4", "10.0.0.1"];
  return Buffer.from(`PROXY ${family} ${source} ${destination} 51234 443\r\n`, "latin1");
}

interface V2Options {
  readonly command?: number;
  readonly family?: number;
  readonly tlvs?: string;
}

/** A version 2 header. An IPv6 `source` must have all eight groups. */
export function proxyV2(source: string, { command = 0x21, family, tlvs = "" }: V2Options = {}): Buffer {
  const isV6 = source.includes(":");
  const address = isV6
    ? source.split(":").flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
    : source.split(".").map(Number);
  const ports = [0xc8, 0x22, 0x01, 0xbb];
  const block = Buffer.from([...address, ...address.map(() => 0), ...ports, ...Buffer.from(tlvs, "latin1")]);
  const header = Buffer.from("\r\n\r\n\0\r\nQUIT\n\0\0\0\0", "latin1");
  header[12] = command;
  header[13] = family ?? (isV6 ? 0x21 : 0x11);
  header.writeUInt16BE(block.length, 14);
  return Buffer.concat([header, block]);
}
