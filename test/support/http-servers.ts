/** How a server of a test answers. */
export type Behaviour = (request: Request) => Response | Promise<Response>;

export const answers: Behaviour = () => Response.json({ ok: true });
export const hangs: Behaviour = () => new Promise<Response>(() => {});
export const answersRubbish: Behaviour = () =>
  new Response("<html>It works!</html>", { headers: { "content-type": "text/html" } });
export const isUnavailable: Behaviour = () => new Response("down", { status: 503 });

/** A real HTTP server that counts its calls. A test can change how it answers, kill it and start it again. */
export class HttpServer {
  behaviour: Behaviour;
  calls = 0;
  /** URL and headers of the last request. */
  last: { readonly url: string; readonly headers: Readonly<Record<string, string>> } | undefined;
  readonly #hostname: string;
  #port: number;
  #server: Bun.Server<undefined> | undefined;

  constructor(behaviour: Behaviour = answers, hostname = "127.0.0.1", port = 0) {
    this.behaviour = behaviour;
    this.#hostname = hostname;
    this.#port = port;
    this.start();
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://${this.#hostname}:${this.#port}`;
  }

  start(): void {
    this.#server = Bun.serve({
      hostname: this.#hostname,
      port: this.#port,
      idleTimeout: 60,
      fetch: (request) => {
        this.calls++;
        this.last = { url: request.url, headers: request.headers.toJSON() };
        return this.behaviour(request);
      },
    });
    this.#port = this.#server.port ?? 0;
  }

  /** Closes every connection and stops listening. */
  async kill(): Promise<void> {
    await this.#server?.stop(true);
    this.#server = undefined;
  }
}
