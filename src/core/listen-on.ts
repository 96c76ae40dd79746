import type { AddressInfo, Server } from "node:net";
import type { ListenAddress } from "./listen.ts";

/** The address on which a server listens. */
export interface OpenedAddress {
  /** The configured host and port. A configured port 0 is replaced by the port that the system chose. */
  readonly address: ListenAddress;
  /** The IP address and port to which the system bound the server. */
  readonly bound: ListenAddress;
}

/** Binds a TCP server to an address. Rejects with the system's error. */
export function listenOn(
  server: Pick<Server, "listen" | "address" | "once" | "off">,
  { host, port, isShared = false }: ListenAddress,
): Promise<OpenedAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, reusePort: isShared }, () => {
      server.off("error", reject);
      // `address()` returns a string only for a pipe, and this is a TCP server.
      const bound = server.address() as AddressInfo;
      resolve({ address: { host, port: bound.port }, bound: { host: bound.address, port: bound.port } });
    });
  });
}
