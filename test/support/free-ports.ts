import { createServer, type Server } from "node:net";

/** Free ports for servers that do not accept port 0. All are bound before any is released, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listenAt(0)));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Free ports that nobody gets by chance before they are used: systems take the ports of outgoing connections and of port 0 from 32768
 * upwards.
 */
export async function lastingFreePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = LASTING_MIN + Math.floor(Math.random() * LASTING_COUNT);
    if (taken.has(port)) continue;
    taken.add(port);
    const server = await listenAt(port).catch(() => undefined);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    ports.push(port);
  }
  return ports;
}

const [LASTING_MIN, LASTING_COUNT] = [20_000, 12_000];
const taken = new Set<number>();

function listenAt(port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", () => resolve(server));
  return promise;
}
