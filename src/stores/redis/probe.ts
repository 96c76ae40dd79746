import { connect, type NetConnectOpts } from "node:net";

const DEFAULT_PORT = 6379;

/** Says why a server cannot be had that a client has failed to connect to: whether anybody is there at all. */
export function whyNoConnection(url: string, timeoutMs: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ ...targetOf(url), timeout: timeoutMs });
  socket.once("connect", () =>
    resolve("it takes connections, but not this one: is it Redis, and are user, password and TLS right?"),
  );
  socket.once("timeout", () => resolve(`no connection within ${timeoutMs} ms`));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(REASONS[error.code ?? ""] ?? error.message));
  return promise.finally(() => socket.destroy());
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there (ECONNREFUSED)",
  ENOENT: "there is no such socket (ENOENT)",
  ENOTFOUND: "there is no host of this name (ENOTFOUND)",
};

function targetOf(url: string): NetConnectOpts {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol.endsWith("+unix:")) return { path: decodeURIComponent(pathname) };
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? DEFAULT_PORT : Number(port) };
}
