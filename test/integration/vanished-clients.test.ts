import { expect, test } from "bun:test";
import { TO_CLIENTS } from "../soak/files.ts";
import { type Namespaces, openNamespaces } from "../soak/namespaces.ts";
import { openTestbed, SETTINGS } from "../soak/testbed.ts";
import { vanish } from "../soak/vanish.ts";
import { until } from "../support/until.ts";

/** Clients that vanish without FIN or RST, because the route of their network namespace is removed. Each listener detects it within seconds. */

const STREAMS = 20;

function namespacesIfAllowed(): Namespaces | undefined {
  try {
    return openNamespaces();
  } catch (error) {
    console.warn(`network namespaces are not available: ${error}`);
    return undefined;
  }
}

const probe = namespacesIfAllowed();
probe?.remove();

const skipped = probe === undefined ? " (skipped: network namespaces need root and iproute2)" : "";

test.skipIf(probe === undefined).each(SETTINGS)(
  `$name: streams of vanished clients end, over every carrier${skipped}`,
  async (setting) => {
    const namespaces = openNamespaces();
    try {
      const testbed = await openTestbed(setting, namespaces);
      try {
        expect((await vanish(testbed, namespaces, STREAMS)).streams).toBe(3 * STREAMS);
        await until(() => testbed.openFiles()[TO_CLIENTS] === undefined, "their file descriptors to be closed");
      } finally {
        await testbed.close();
      }
    } finally {
      namespaces.remove();
    }
  },
);
