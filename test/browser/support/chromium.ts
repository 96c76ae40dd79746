import { type Browser, chromium } from "playwright-core";

const BINARY = Bun.which("chromium");

/** The reason to skip browser tests; `undefined` if Chromium is installed. With `CI` set, the tests are never skipped: they fail. */
export const NO_CHROMIUM =
  BINARY === null && !process.env["CI"] ? "skipped: Chromium is not installed (apt-get install chromium)" : undefined;

/** Starts Debian's Chromium without a window. A test file starts one and closes it at its end: a start takes about a second. */
export function launchChromium(): Promise<Browser> {
  if (BINARY === null) throw new Error("Chromium is not installed (apt-get install chromium)");
  // Chromium refuses to start its sandbox as root.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: BINARY, args });
}
