import type { DevBackend } from "../../src/dev/backend.ts";
import { SERVED_BY } from "./login-paths.ts";

type Fault = (request: Request) => Response | Promise<Response>;

/** A real REST server in front of the embedded backend. It counts calls, forwards them, and answers the paths that a test sets itself. */
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
        const body = method === "GET" ? null : await request.bytes();
        return fetch(`${backend.restUrl}${SERVED_BY[pathname] ?? pathname}${search}`, { method, headers, body });
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Answers calls to this path with `fault` instead of forwarding them. */
  on(path: string, fault: Fault): void {
    this.#faults.set(path, fault);
  }

  /** Forwards this path again. */
  off(path: string): void {
    this.#faults.delete(path);
  }

  /** The number of calls to this path, or of all calls if no path is given. */
  calls(path?: string): number {
    if (path !== undefined) return this.#calls.get(path) ?? 0;
    return [...this.#calls.values()].reduce((sum, count) => sum + count, 0);
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }
}

/** The path that the gateway calls to look a session up. */
export function sessionPath(deviceSessionId: string): string {
  return `/api/v1/internal/sessions/${deviceSessionId}`;
}
