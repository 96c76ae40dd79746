import { join } from "node:path";

/** Files of this repository that a bundle of the client may contain. */
const OWN =
  /(?:^|\/)(?:src|dist)\/(?:client\/[\w-]+|core\/(?:backoff|grammar|reasons)|crypto\/signing-input|gen\/sallyport\/v1\/gateway_pb)\.(?:ts|js)$/;
/** Packages that a bundle of the client may contain, in their places in node_modules. */
const PACKAGES = /node_modules\/(?:@bufbuild\/protobuf|@connectrpc\/connect|@noble\/(?:ed25519|hashes))\//;

/** The sources of a bundle, from its source maps, that are neither of the client, nor of its packages, nor of `others`. */
export async function foreignSources(folder: string, others: RegExp): Promise<{ sources: number; foreign: string[] }> {
  const maps = [...new Bun.Glob("**/*.map").scanSync(folder)];
  const lists = await Promise.all(
    maps.map(async (path) => {
      const { sources }: { sources: string[] } = await Bun.file(join(folder, path)).json();
      return sources;
    }),
  );
  const sources = [...new Set(lists.flat())];
  return {
    sources: sources.length,
    foreign: sources.filter((path) => !OWN.test(path) && !PACKAGES.test(path) && !others.test(path)),
  };
}

/** The size of a file after `gzip -9`, in bytes. */
export async function gzipBytes(path: string): Promise<number> {
  return Bun.gzipSync(await Bun.file(path).bytes(), { level: 9 }).byteLength;
}
