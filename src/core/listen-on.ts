import type { AddressInfo, Server } from "node:net";
import type { ListenAddress } from "./listen.ts";

/** The address that a server listens on. */
export interface OpenedAddress {
  /** The configured host, with the port that the system chose if 0 was configured. */
  readonly address: ListenAddress;
  /** The IP address and port that the system bound. */
  readonly bound: ListenAddress;
}

/** Binds a TCP server to an address. Rejects with the system's error. */
export function listenOn(
  server: Pick<Server, "listen" | "address" | "once" | "off">,
  { host, port }: ListenAddress,
): Promise<OpenedAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      // The address of a TCP server is never the name of a pipe.
      const bound = server.address() as AddressInfo;
      resolve({ address: { host, port: bound.port }, bound: { host: bound.address, port: bound.port } });
    });
  });
}
