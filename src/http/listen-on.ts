import type { AddressInfo, Server } from "node:net";
import type { ListenAddress } from "../core/listen.ts";

/** Opens a port for a TCP server; gives the address as it turned out. */
export function listenOn(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      // A TCP server's address is never a pipe's name.
      resolve({ host, port: (server.address() as AddressInfo).port });
    });
  });
}
