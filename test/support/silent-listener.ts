/** `python3` if it is installed. */
const PYTHON = Bun.which("python3");
export const NO_SILENT_LISTENER = PYTHON === null || process.platform !== "linux" ? "needs python3 on Linux" : undefined;

/** Listens with a full accept queue. So the kernel drops every further SYN, as a host does that is gone. */
const PROGRAM = `
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(0)
address = listener.getsockname()
waiting = []
for _ in range(3):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(address)
    waiting.append(client)
print(address[1], flush=True)
sys.stdin.read()
`;

/** A port of 127.0.0.1 on which connections are never established, and never refused. */
export async function silentListener(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const child = Bun.spawn([PYTHON ?? "python3", "-c", PROGRAM], { stdin: "pipe", stdout: "pipe" });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    port: Number(Buffer.from(value ?? []).toString()),
    async close() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
