import { expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { TlsCopy } from "../../../src/app/worker-files.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { selfSigned } from "../../support/certificates.ts";
import { until } from "../../support/until.ts";

test("new workers get the renewed TLS files, and the last good ones while the files are broken", async () => {
  const [first, second] = [await selfSigned("first"), await selfSigned("second")];
  const settings = { "tls.certificate_file": first.certificateFile, "tls.key_file": first.keyFile, "tls.reload_ms": 100 };
  const copy = new TlsCopy(loadConfig({ env: {}, overrides: settings }), systemClock);
  try {
    const served = () => copy.current?.identity.certificate;
    expect(served()).toBe(first.certificate);
    copyFileSync(second.certificateFile, first.certificateFile);
    copyFileSync(second.keyFile, first.keyFile);
    await until(() => served() === second.certificate, "the renewed certificate");
    rmSync(first.keyFile);
    await Bun.sleep(250);
    expect(served()).toBe(second.certificate);
  } finally {
    copy.stop();
  }
});
