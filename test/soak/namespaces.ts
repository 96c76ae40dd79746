/** A command that runs another command in a network namespace. */
export type Prefix = readonly string[];

/** Two network namespaces with a veth pair: one for the gateway, one for clients that can be cut off. */
export interface Namespaces {
  readonly inside: Prefix;
  readonly outside: Prefix;
  /** The gateway's address for clients in the outside namespace. */
  readonly address: string;
  /**
   * Removes the route from the clients to the gateway. The gateway's packets still arrive, but no ACK, FIN or RST comes back, as from a phone
   * without network.
   */
  cut(): void;
  restore(): void;
  remove(): void;
}

const GATEWAY = "10.255.77.1";
const CLIENTS = "10.255.77.2";
const NETWORK = "10.255.77.0/30";

/** Throws with the message of `ip` without iproute2 or root. */
export function openNamespaces(): Namespaces {
  const [inside, outside] = [`sallyport-in-${process.pid}`, `sallyport-out-${process.pid}`];
  const [inner, outer] = ["gateway", "clients"];
  const remove = () => {
    for (const name of [inside, outside]) Bun.spawnSync(["ip", "netns", "delete", name]);
  };
  try {
    for (const name of [inside, outside]) ip("netns", "add", name);
    ip("link", "add", inner, "netns", inside, "type", "veth", "peer", "name", outer, "netns", outside);
    ip("-n", inside, "address", "add", `${GATEWAY}/30`, "dev", inner);
    ip("-n", outside, "address", "add", `${CLIENTS}/30`, "dev", outer);
    for (const [name, device] of [
      [inside, "lo"],
      [inside, inner],
      [outside, outer],
    ] as const) {
      ip("-n", name, "link", "set", device, "up");
    }
  } catch (error) {
    remove();
    throw error;
  }
  return {
    inside: ["ip", "netns", "exec", inside],
    outside: ["ip", "netns", "exec", outside],
    address: GATEWAY,
    cut: () => ip("-n", outside, "route", "delete", NETWORK),
    restore: () => ip("-n", outside, "route", "add", NETWORK, "dev", outer, "src", CLIENTS),
    remove,
  };
}

function ip(...args: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...args]);
  if (exitCode !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.toString().trim()}`);
}
