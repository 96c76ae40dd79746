import type { DevBackend } from "../../src/dev/backend.ts";

type Fault = (request: Request) => Response | Promise<Response>;

/** A real REST server in front of the embedded backend: passes calls on, counts them, and answers some paths as a test says. */
export class FaultBackend {
  readonly #server: Bun.Server<undefined>;
  readonly #faults = new Map<string, Fault>();
  readonly #calls = new Map<string, number>();

  constructor(backend: DevBackend) {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 30,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        this.#calls.set(pathname, (this.#calls.get(pathname) ?? 0) + 1);
        const fault = this.#faults.get(pathname);
        if (fault !== undefined) return fault(request);
        const { method, headers } = request;
        const body = method === "GET" ? undefined : await request.bytes();
        return fetch(`${backend.restUrl}${pathname}${search}`, { method, headers, body });
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Answers this path so from now on. */
  on(path: string, fault: Fault): void {
    this.#faults.set(path, fault);
  }

  /** Passes this path on again. */
  off(path: string): void {
    this.#faults.delete(path);
  }

  /** How often this path has been called; without one, how often any has. */
  calls(path?: string): number {
    if (path !== undefined) return this.#calls.get(path) ?? 0;
    return [...this.#calls.values()].reduce((sum, count) => sum + count, 0);
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }
}

/** The path under which the gateway looks a session up. */
export function sessionPath(deviceSessionId: string): string {
  return `/api/v1/internal/sessions/${deviceSessionId}`;
}
