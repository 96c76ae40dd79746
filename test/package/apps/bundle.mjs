import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import webpack from "webpack";

/** node bundle.mjs: bundles page.js with each bundler, minified, split and with source maps, into out/NAME/page.js. */

const options = { entryPoints: ["page.js"], bundle: true, minify: true, format: "esm", sourcemap: true, target: "es2022" };
await esbuild({ ...options, splitting: true, outdir: "out/esbuild" });
/** The whole client, without code splitting and without noble: the figure that has a bound. */
await esbuild({
  ...options,
  stdin: { contents: 'export * from "sallyport-client"', resolveDir: "." },
  entryPoints: undefined,
  external: ["@noble/*"],
  outfile: "out/whole/page.js",
});

await vite({
  logLevel: "warn",
  build: { outDir: "out/vite", sourcemap: true, rollupOptions: { input: "page.js", output: { entryFileNames: "page.js" } } },
});

await new Promise((resolve, reject) => {
  const config = {
    mode: "production",
    entry: "./page.js",
    devtool: "source-map",
    experiments: { outputModule: true },
    output: { path: new URL("out/webpack", import.meta.url).pathname, filename: "page.js", module: true, publicPath: "/" },
  };
  webpack(config, (error, stats) => {
    if (error || stats.hasErrors() || stats.hasWarnings()) reject(error ?? new Error(stats.toString("errors-warnings")));
    else resolve();
  });
});
