type Server = ReturnType<typeof Bun.serve>;

export interface LocalServerOptions {
  readonly port?: number;
  readonly reusePort?: boolean;
  readonly tls?: Bun.TLSOptions;
}

/** HTTP servers of this process on 127.0.0.1, each of which answers with its own text. */
export class LocalServers {
  #servers: Server[] = [];

  serve(text: string, options: LocalServerOptions = {}): Server {
    return this.add(
      Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        reusePort: false,
        development: false,
        fetch: () => new Response(text),
        ...options,
      }),
    );
  }

  /** Adds a server that `stop` stops too. */
  add(server: Server): Server {
    this.#servers.push(server);
    return server;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.stop(true)));
  }
}

export const portOf = ({ port = 0 }: Server) => port;
export const on = (port: number) => ({ host: "127.0.0.1", port });
export const ask = (port: number) => fetch(`http://127.0.0.1:${port}/`, { keepalive: false }).then((answer) => answer.text());
