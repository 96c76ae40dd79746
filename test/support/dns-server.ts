/** A DNS server on loopback (UDP, RFC 1035). It answers each A query with the addresses that a test sets. */
export class DnsServer {
  /** The addresses of every name. */
  addresses: readonly string[];
  ttlSeconds: number;
  /** If true, every query fails with SERVFAIL. */
  isBroken = false;
  /** Number of A queries. */
  queries = 0;
  readonly #socket: Bun.udp.Socket<"buffer">;

  private constructor(socket: Bun.udp.Socket<"buffer">, addresses: readonly string[], ttlSeconds: number) {
    this.#socket = socket;
    this.addresses = addresses;
    this.ttlSeconds = ttlSeconds;
  }

  static async open(addresses: readonly string[], ttlSeconds: number): Promise<DnsServer> {
    const socket = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (_, query, port, address) => void socket.send(server.#answer(query), port, address) },
    });
    const server = new DnsServer(socket, addresses, ttlSeconds);
    return server;
  }

  /** The address and port, in the form of `backend.dns_servers`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.port}`;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(query: Buffer): Buffer {
    const end = query.indexOf(0, 12) + 5;
    const isA = query.readUInt16BE(end - 4) === 1;
    if (isA) this.queries++;
    const records = isA && !this.isBroken ? this.addresses.map((address) => this.#record(address)) : [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(this.isBroken ? 0x81_82 : 0x81_80, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    return Buffer.concat([head, query.subarray(12, end), ...records]);
  }

  /** An A record whose name is a pointer to the question. */
  #record(address: string): Buffer {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(0xc0_0c, 0);
    record.writeUInt16BE(1, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(this.ttlSeconds, 6);
    record.writeUInt16BE(4, 10);
    for (const [at, part] of address.split(".").entries()) record[12 + at] = Number(part);
    return record;
  }
}
