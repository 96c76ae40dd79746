/**
 * The part of the client that needs Node or Bun: a credential store in a file.
 *
 * @module
 */
// biome-ignore lint/performance/noBarrelFile: this file is an entry point of the package
export { fileStore } from "./file-store.ts";
