import type { AddressInfo, Server } from "node:net";
import type { ListenAddress } from "../core/listen.ts";

/** Where a server listens: as it was asked, with the port that it got, and as the system bound it. */
export interface OpenedAddress {
  readonly address: ListenAddress;
  readonly bound: ListenAddress;
}

/** Opens a port for a TCP server. */
export function listenOn(server: Server, { host, port }: ListenAddress): Promise<OpenedAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      // A TCP server's address is never a pipe's name.
      const bound = server.address() as AddressInfo;
      resolve({ address: { host, port: bound.port }, bound: { host: bound.address, port: bound.port } });
    });
  });
}
