import { until } from "./until.ts";

/** Binds a Unix datagram socket and prints each datagram as one line of JSON. Bun has no such sockets. */
const PROGRAM = `
import json, socket, sys
address = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + address[1:] if address.startswith("@") else address)
print(flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`;

const PYTHON = Bun.which("python3");

/** Receives datagrams as the service manager does. */
export class DatagramReceiver implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly received: string[] = [];
  #isOpen = false;

  private constructor(address: string) {
    this.#child = Bun.spawn([PYTHON ?? "python3", "-c", PROGRAM, address], { stdout: "pipe" });
    void this.#read();
  }

  /** The reason why this machine cannot receive datagrams; `undefined` if it can. */
  static missing(): string | undefined {
    return PYTHON === null ? "skipped: python3 is not installed" : undefined;
  }

  static async open(address: string): Promise<DatagramReceiver> {
    const receiver = new DatagramReceiver(address);
    await until(() => receiver.#isOpen, "the socket to be bound");
    return receiver;
  }

  until(holds: (received: readonly string[]) => boolean, what: string, timeoutMs?: number): Promise<void> {
    return until(() => holds(this.received), what, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") this.#isOpen = true;
        else this.received.push(JSON.parse(line));
      }
    }
  }
}
