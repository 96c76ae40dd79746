import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyRing } from "../../src/crypto/key-ring.ts";
import { runCommand } from "../support/process.ts";
import { certificateOf, fetchTrusting } from "../support/reload-certificates.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** A reload applies files whose content was replaced in place, and names their settings. */

const PROFILE = { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" };
const seed = (n: number) => Buffer.alloc(32, n).toString("base64");

test.each(["1", "2"])(
  "with workers.count = %s",
  async (workers) => {
    const tls = await certificateOf();
    const file = (name: string) => join(tls.settings["tls.key_file"], "..", name);
    writeFileSync(file("next.key"), seed(2));
    writeFileSync(file("backend.token"), "first-t0ken");
    const gateway = await UpgradableGateway.start(
      {
        "workers.count": workers,
        ...tls.settings,
        "keys.next_file": file("next.key"),
        "backend.token_file": file("backend.token"),
        // The gateway must not find the new contents before the reload.
        "tls.reload_ms": "86400000",
      },
      { tls: { ca: tls.ca } },
    );
    const reload = async () => {
      const command = runCommand(["reload", "--url", gateway.adminUrl]);
      expect([await command.exited, command.stderr()]).toEqual([0, ""]);
      return command.stdout().split("\n").slice(1, -1);
    };
    try {
      expect(await reload()).toEqual(["changed: nothing"]);
      await tls.renew();
      writeFileSync(file("next.key"), seed(3));
      writeFileSync(file("backend.token"), "second-t0ken");
      const settings = "tls.certificate_file tls.key_file backend.token_file keys.next_file";
      expect(await reload()).toEqual([`changed: ${settings}`]);
      expect(await reload()).toEqual(["changed: nothing"]);
      await until(() => gateway.lines("configuration reloaded").length === 3, "the log lines");
      expect(gateway.lines("configuration reloaded").map(({ changed }) => changed)).toEqual(["", settings, ""]);
      const jwks = await fetchTrusting(tls.ca)(`${gateway.edgeUrl}/.well-known/jwks.json`);
      expect(await jwks.text()).toContain(new KeyRing({ current: Buffer.alloc(32, 3) }).keyId);

      writeFileSync(join(gateway.folder, "profile.json"), "true");
      await gateway.configure({ routes: JSON.stringify([{ ...PROFILE, schema: "profile.json" }]) });
      await reload();
      writeFileSync(join(gateway.folder, "profile.json"), '{"type":"object"}');
      expect(await reload()).toEqual(["changed: routes", "routes: ~user.profile.get(schema)"]);
    } finally {
      await gateway.close();
    }
  },
  90_000,
);
