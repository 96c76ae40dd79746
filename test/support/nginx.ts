import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

const BINARY = Bun.which("nginx", { PATH: `${process.env["PATH"]}:/usr/sbin` });

/** The reason to skip tests that need nginx; `undefined` if it is installed. */
export const NO_NGINX = BINARY === null ? "nginx is not installed (apt-get install nginx)" : undefined;

/** A real nginx as one foreground process. */
export interface Nginx {
  readonly port: number;
  /** The error log so far. */
  errors(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts nginx with `http(port)` as the content of its `http` block. The server must listen on 127.0.0.1 at that port. `stop` removes
 * its temporary folder.
 */
export async function startNginx(http: (port: number) => string): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-nginx-"));
  const port = await freePort();
  const file = join(folder, "nginx.conf");
  await Bun.write(file, configuration(folder, http(port)));
  const child = Bun.spawn([BINARY ?? "nginx", "-p", folder, "-c", file, "-e", join(folder, "error.log")], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const errors = async () => {
    const log = Bun.file(join(folder, "error.log"));
    return (await log.exists()) ? log.text() : "";
  };
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nginx did not start: ${await new Response(child.stderr).text()}`);
    return answersAt(port);
  }, "nginx to listen");
  return {
    port,
    errors,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configuration(folder: string, http: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  return `
daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log info;
events { worker_connections 512; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  ${http}
}
`;
}

async function answersAt(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const handlers = { open: () => resolve(true), data() {}, connectError: () => resolve(false) };
  const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: handlers }).catch(() => undefined);
  if (socket === undefined) return false;
  const answers = await promise;
  socket.end();
  return answers;
}

/** nginx takes no port 0. */
async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = createServer().listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((closed) => server.close(closed));
  return port;
}
