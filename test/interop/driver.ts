/** A step of a client program. A response or event that does not verify ends the program with an error. */
export type Step =
  /** Makes a device key, and confirms a login challenge with it. The next steps use the new session. */
  | {
      readonly do: "login";
      readonly challenge_id: string;
      readonly code: string;
      readonly algorithm: "EdDSA" | "ES256";
    }
  /** Signs and sends a command. */
  | {
      readonly do: "call";
      readonly message_type: string;
      readonly payload?: string;
      readonly gzip?: boolean;
      /** The client's deadline. */
      readonly timeout_ms?: number;
      readonly signed_ms_ago?: number;
    }
  /** Sends the last command again, unchanged. */
  | { readonly do: "repeat" }
  /** Opens a stream and waits for its first event. */
  | { readonly do: "subscribe" }
  /** Waits for the next event of the stream. */
  | { readonly do: "next" }
  /** Cancels the stream and waits for its end. */
  | { readonly do: "cancel" };

/** The outcome of a step: a response, an event, or an error. */
export interface Outcome {
  /** The session that the step `login` opened. */
  readonly device_session_id?: string;
  readonly result_code?: string;
  readonly event_type?: string;
  readonly audience?: string;
  readonly payload?: string;
  readonly error?: {
    /** The name of the code in Connect. `ok` if a stream ended without an error. */
    readonly code: string;
    readonly message: string;
    /** From the google.rpc.ErrorInfo, as are `domain` and `metadata`. */
    readonly reason?: string;
    readonly domain?: string;
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly elapsed_ms: number;
}

/** Makes grpc-go and grpcio log connection errors. */
const VERBOSE_LOGGING = { GRPC_GO_LOG_SEVERITY_LEVEL: "info", GRPC_GO_LOG_VERBOSITY_LEVEL: "99", GRPC_VERBOSITY: "INFO" };

/** A client program in another language. It runs one step at a time. */
export class Driver {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #lines: AsyncIterator<string>;
  readonly #stderr: Promise<string>;

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], {
      env: { ...process.env, ...VERBOSE_LOGGING },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#lines = linesOf(this.#child.stdout);
    this.#stderr = new Response(this.#child.stderr).text();
  }

  async run(step: Step): Promise<Outcome> {
    this.#child.stdin.write(`${JSON.stringify(step)}\n`);
    this.#child.stdin.flush();
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the client ended at ${JSON.stringify(step)}:\n${await this.#stderr}`);
    return JSON.parse(value);
  }

  /** Ends the program. Resolves to its standard error: its own log and its library's. */
  async close(): Promise<string> {
    await this.#child.stdin.end();
    const [code, stderr] = await Promise.all([this.#child.exited, this.#stderr]);
    if (code !== 0) throw new Error(`the client ended with ${code}:\n${stderr}`);
    return stderr;
  }

  kill(): void {
    this.#child.kill();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
