import { selfSigned } from "./certificates.ts";
import { http1, http2, type RawAnswer, type RawRequest } from "./raw-http.ts";
import { openWorld, type World } from "./world.ts";

/** A listener of the gateway and an HTTP version. */
export interface EntryPoint {
  readonly name: string;
  readonly version: "HTTP/1.1" | "HTTP/2";
  readonly speaksGrpc: boolean;
  url(): string;
  send(request: RawRequest): Promise<RawAnswer | undefined>;
}

/** A gateway with two ports and one with one port, each in plaintext and with TLS. */
export class AllListeners {
  readonly #worlds = new Map<string, World>();

  async open(): Promise<void> {
    const { certificate: ca, certificateFile, keyFile } = await selfSigned("all.test");
    const tls = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
    const onePort = { "edge.grpc": "same-port" } as const;
    this.#worlds.set("edge", await openWorld());
    this.#worlds.set("edge with TLS", await openWorld(tls, { tls: { ca } }));
    this.#worlds.set("one port", await openWorld(onePort));
    this.#worlds.set("one port with TLS", await openWorld({ ...onePort, ...tls }, { tls: { ca } }));
  }

  async close(): Promise<void> {
    for (const world of this.#worlds.values()) await world.close();
  }

  world(name: string): World {
    const world = this.#worlds.get(name);
    if (world === undefined) throw new Error(`no world ${name}`);
    return world;
  }

  /** Every public listener with every HTTP version that it serves. */
  readonly entryPoints: readonly EntryPoint[] = ["edge", "edge with TLS", "one port", "one port with TLS"].flatMap((name) => [
    ...this.#both(name, () => this.world(name).gateway.edgeUrl),
    ...(name.startsWith("edge")
      ? this.#both(`gRPC listener of ${name}`, () => this.world(name).gateway.grpcUrl).filter(
          ({ version }) => version === "HTTP/2",
        )
      : []),
  ]);

  #both(name: string, url: () => string): EntryPoint[] {
    const speaksGrpc = !name.startsWith("edge");
    return [
      { name: `${name}, HTTP/1.1`, version: "HTTP/1.1", speaksGrpc: false, url, send: (request) => http1(url(), request) },
      { name: `${name}, HTTP/2`, version: "HTTP/2", speaksGrpc, url, send: (request) => http2(url(), request) },
    ];
  }
}
