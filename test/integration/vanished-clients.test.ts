import { expect, test } from "bun:test";
import { TO_CLIENTS } from "../soak/files.ts";
import { type Namespaces, openNamespaces } from "../soak/namespaces.ts";
import { openStage, SETTINGS } from "../soak/stage.ts";
import { vanish } from "../soak/vanish.ts";
import { until } from "../support/until.ts";

/** Clients that vanish without FIN or RST, in a network namespace whose route is dropped: each listener misses them within seconds. */

const STREAMS = 20;

function namespacesIfAllowed(): Namespaces | undefined {
  try {
    return openNamespaces();
  } catch (error) {
    console.warn(`vanished clients: skipped, for network namespaces need root and iproute2 (${error})`);
    return undefined;
  }
}

const probe = namespacesIfAllowed();
probe?.remove();

test.skipIf(probe === undefined).each(SETTINGS)("$name: vanished clients are missed, over every carrier", async (setting) => {
  const namespaces = openNamespaces();
  try {
    const stage = await openStage(setting, namespaces);
    try {
      expect((await vanish(stage, namespaces, STREAMS)).streams).toBe(3 * STREAMS);
      await until(() => stage.openFiles()[TO_CLIENTS] === undefined, "their files to be closed");
    } finally {
      await stage.close();
    }
  } finally {
    namespaces.remove();
  }
});
