/** What a client is told to do. Answers and events that do not verify end the client with an error of its own. */
export type Step =
  /** Makes, signs and sends a command. */
  | {
      readonly do: "call";
      readonly message_type: string;
      readonly payload?: string;
      readonly gzip?: boolean;
      /** The client's own deadline. */
      readonly timeout_ms?: number;
      readonly signed_ms_ago?: number;
    }
  /** Sends the last command again, as it is. */
  | { readonly do: "repeat" }
  /** Opens a stream, and gives its first event. */
  | { readonly do: "subscribe" }
  /** Gives the stream's next event. */
  | { readonly do: "next" }
  /** Cancels the stream, and gives how it ended. */
  | { readonly do: "cancel" };

/** What came of a step: a response, an event, or an error. */
export interface Outcome {
  readonly result_code?: string;
  readonly event_type?: string;
  readonly audience?: string;
  readonly payload?: string;
  readonly error?: {
    /** As Connect names it. `ok` where a stream ended without an error. */
    readonly code: string;
    readonly message: string;
    /** Of the google.rpc.ErrorInfo, as the three after it. */
    readonly reason?: string;
    readonly domain?: string;
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly elapsed_ms: number;
}

/** The client libraries' own words on what goes wrong beneath the calls. */
const TALKATIVE = { GRPC_GO_LOG_SEVERITY_LEVEL: "info", GRPC_GO_LOG_VERBOSITY_LEVEL: "99", GRPC_VERBOSITY: "INFO" };

/** A client of another language, as a process that does step after step. */
export class Driver {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #lines: AsyncIterator<string>;
  readonly #stderr: Promise<string>;

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], {
      env: { ...process.env, ...TALKATIVE },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#lines = linesOf(this.#child.stdout);
    this.#stderr = new Response(this.#child.stderr).text();
  }

  async take(step: Step): Promise<Outcome> {
    this.#child.stdin.write(`${JSON.stringify(step)}\n`);
    this.#child.stdin.flush();
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the client ended at ${JSON.stringify(step)}:\n${await this.#stderr}`);
    return JSON.parse(value);
  }

  /** Lets the client end, and gives everything that it and its library logged. */
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
