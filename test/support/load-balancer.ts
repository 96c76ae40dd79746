import { connect, createServer, type Socket } from "node:net";

/** A TCP load balancer. It sends a header on each connection before it forwards the bytes. */
export interface LoadBalancer {
  /** The target URL with the address of the load balancer. */
  readonly url: string;
  close(): void;
}

export interface LoadBalancerOptions {
  /** Sent first on each connection to the target. */
  readonly header?: Uint8Array;
  /** The number of first bytes that are sent one at a time. */
  readonly singleBytes?: number;
}

export async function openLoadBalancer(target: string, options: LoadBalancerOptions = {}): Promise<LoadBalancer> {
  const { header = new Uint8Array(0), singleBytes = 0 } = options;
  const url = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const inner = connect({ port: Number(url.port), host: url.hostname, noDelay: true });
    for (const socket of [client, inner]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        for (const each of [client, inner]) each.destroy();
      });
    }
    client.once("data", async (first: Buffer) => {
      client.pause();
      const start = Buffer.concat([header, first]);
      for (const byte of start.subarray(0, singleBytes)) {
        inner.write(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      inner.write(start.subarray(singleBytes));
      client.pipe(inner);
      inner.pipe(client);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the load balancer does not listen");
  return {
    url: `${url.protocol}//127.0.0.1:${bound.port}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
