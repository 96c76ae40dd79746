/**
 * What only Node and Bun have: a store of credentials in a file.
 *
 * @module
 */
// biome-ignore lint/performance/noBarrelFile: this file is an entry point of the package
export { fileStore } from "./file-store.ts";
