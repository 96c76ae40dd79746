import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The number of open file descriptors of a process by kind: `epoll`, `to clients`, … */
export type OpenFiles = Readonly<Record<string, number>>;

/** Ports that identify connections. */
export interface KnownPorts {
  /** The ports of the public listeners. */
  readonly clients: readonly number[];
  readonly backend: readonly number[];
}

export const TO_CLIENTS = "to clients";
export const TO_BACKEND = "to the backend";

export function total(files: OpenFiles): number {
  return Object.values(files).reduce((sum, count) => sum + count, 0);
}

export function describe(files: OpenFiles): string {
  const parts = Object.entries(files).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return parts.map(([what, count]) => `${count} ${what}`).join(", ");
}

/** Counts the open file descriptors of a process by kind. */
export function openFiles(pid: number, ports: KnownPorts): OpenFiles {
  const connections = tcpSockets(pid, ports);
  const files: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const what = kindOf(`/proc/${pid}/fd/${fd}`, connections);
    if (what !== undefined) files[what] = (files[what] ?? 0) + 1;
  }
  return files;
}

function kindOf(path: string, connections: ReadonlyMap<string, string>): string | undefined {
  let link: string;
  try {
    link = readlinkSync(path);
  } catch {
    return undefined; // Closed since it was listed.
  }
  const [kind = "", inode = ""] = link.split(/:\[|\]/);
  if (kind === "socket") return connections.get(inode) ?? "sockets without a TCP connection";
  return kind === "anon_inode" ? inode : kind.replace(/:$/, "");
}

const LISTEN = "0A";

/** TCP sockets in the process's network namespace by inode (proc_pid_net(5)). */
function tcpSockets(pid: number, { clients, backend }: KnownPorts): ReadonlyMap<string, string> {
  const lines = ["tcp", "tcp6"].flatMap((name) => readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n").slice(1));
  const portOf = (address = "") => Number.parseInt(address.split(":")[1] ?? "", 16);
  return new Map(
    lines.map((line) => {
      const [, local, remote, state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state === LISTEN) return [inode, "listening"];
      if (clients.includes(portOf(local))) return [inode, TO_CLIENTS];
      return [inode, backend.includes(portOf(remote)) ? TO_BACKEND : "to itself"];
    }),
  );
}
