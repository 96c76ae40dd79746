import { expect, test } from "bun:test";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { SallyportClient } from "../../src/client/client.ts";
import { issuedBy, selfSigned } from "../support/certificates.ts";
import { fetchTrusting } from "../support/reload-certificates.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** A worker that replaces a killed one serves with the last good TLS files and credentials, even if the files are broken. */

const PROFILE_PATH = "/api/v1/user/profile";
const WAIT_MS_MAX = 30_000;

async function killWorkers(gateway: UpgradableGateway): Promise<void> {
  const before = gateway.lines("worker restarted").length;
  const children = (await Bun.file(`/proc/${gateway.pid}/task/${gateway.pid}/children`).text()).trim().split(" ");
  for (const pid of children) process.kill(Number(pid), "SIGKILL");
  await until(() => gateway.lines("worker restarted").length === before + children.length, "the new workers", WAIT_MS_MAX);
}

/** Returns the serial number of the certificate that the edge serves. */
function servedSerial(edgeUrl: string, ca: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(edgeUrl).port), servername: "localhost", ca }, () => {
    resolve(socket.getPeerCertificate().serialNumber);
    socket.destroy();
  });
  socket.on("error", reject);
  return promise;
}

test("new workers serve while the files are broken, and take the repaired files", async () => {
  const authority = await selfSigned("Worker files CA");
  const [first, renewed] = [await issuedBy(authority, "localhost"), await issuedBy(authority, "localhost")];
  const token = join(first.certificateFile, "../backend.token");
  writeFileSync(token, "first-t0ken");
  const gateway = await UpgradableGateway.start(
    {
      "workers.count": "2",
      "tls.certificate_file": first.certificateFile,
      "tls.key_file": first.keyFile,
      "tls.reload_ms": "300",
      "backend.token_file": token,
    },
    { tls: { ca: authority.certificate } },
  );
  try {
    const serial = () => servedSerial(gateway.edgeUrl, authority.certificate);
    const original = await serial();
    const client = new SallyportClient({
      baseUrl: gateway.edgeUrl,
      credentials: await gateway.login(),
      fetch: fetchTrusting(authority.certificate),
    });
    const sentToken = async () => {
      const sent: (string | null)[] = [];
      gateway.faults.on(PROFILE_PATH, ({ headers }) => {
        sent.push(headers.get("authorization"));
        return Response.json({});
      });
      await client.execute("user.profile.get", {});
      return sent.at(-1);
    };
    writeFileSync(first.certificateFile, "rubbish");
    rmSync(first.keyFile);
    rmSync(token);
    await until(() => gateway.lines("backend credential files unusable").length > 0, "the broken files", WAIT_MS_MAX);
    await killWorkers(gateway);
    expect(await serial()).toBe(original);
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);
    expect(await sentToken()).toBe("Bearer first-t0ken");

    writeFileSync(token, "second-t0ken");
    copyFileSync(renewed.keyFile, first.keyFile);
    copyFileSync(renewed.certificateFile, first.certificateFile);
    await until(async () => (await serial()) !== original, "the renewed certificate", WAIT_MS_MAX);
    await until(async () => (await sentToken()) === "Bearer second-t0ken", "the new token", WAIT_MS_MAX);
  } finally {
    await gateway.close();
  }
}, 90_000);
