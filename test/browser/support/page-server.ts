const CALLS_ENTRY = `<!doctype html><html lang="en"><meta charset="utf-8"><title>test page</title><link rel="icon" href="data:,">
<script type="module">import * as entry from "/entry.js"; globalThis.entry = entry;</script></html>`;

/** Serves one page on loopback. The page loads a bundle, whose exports it stores in `globalThis.entry`. */
export interface PageServer {
  /** The origin as browsers send it, without a slash at its end. */
  readonly origin: string;
  close(): Promise<void>;
}

/** Bundles `entry` (the path of a TypeScript file) for browsers, and serves the page that loads it. */
export async function servePage(entry: string): Promise<PageServer> {
  const bundle = await bundleOf(entry);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/": new Response(CALLS_ENTRY, { headers: { "content-type": "text/html; charset=utf-8" } }),
      "/entry.js": new Response(bundle, { headers: { "content-type": "text/javascript; charset=utf-8" } }),
    },
    fetch: () => new Response("", { status: 404 }),
  });
  return { origin: server.url.origin, close: () => server.stop(true) };
}

/** The bundle as one module. Throws an AggregateError with the messages of the bundler. */
export async function bundleOf(entry: string): Promise<string> {
  const { outputs } = await Bun.build({ entrypoints: [entry], target: "browser", format: "esm" });
  const [bundle] = outputs;
  if (bundle === undefined) throw new Error(`${entry} has no bundle`);
  return bundle.text();
}
