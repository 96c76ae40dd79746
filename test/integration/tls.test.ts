import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { freePorts } from "../support/free-ports.ts";
import { runCommand } from "../support/process.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

interface Shown {
  readonly name: string;
  readonly alpn: string | false;
}

/** The common name of a port's certificate, and the protocol that ALPN selects. */
function handshake(url: string, options: { alpn?: string[]; cert?: string; key?: string } = {}): Promise<Shown> {
  const { hostname: host, port } = new URL(url);
  const { alpn = ["h2", "http/1.1"], ...identity } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: alpn, ...identity }, () => {
      resolve({ name: String(socket.getPeerCertificate().subject.CN), alpn: socket.alpnProtocol ?? false });
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

const filesOf = ({ certificateFile, keyFile }: Certificate) => ({
  "tls.certificate_file": certificateFile,
  "tls.key_file": keyFile,
});

describe("TLS", () => {
  let first: Certificate;
  let world: World;
  beforeAll(async () => {
    first = await selfSigned("first.test");
    world = await openWorld({ ...filesOf(first), "tls.reload_ms": 100 }, { tls: { ca: first.certificate } });
  });
  afterAll(() => world.close());

  test("the edge selects HTTP/2 or HTTP/1.1 by ALPN, and the gRPC listener only HTTP/2", async () => {
    expect(await handshake(world.gateway.edgeUrl)).toEqual({ name: "first.test", alpn: "h2" });
    expect((await handshake(world.gateway.edgeUrl, { alpn: ["http/1.1"] })).alpn).toBe("http/1.1");
    expect(await handshake(world.gateway.grpcUrl)).toEqual({ name: "first.test", alpn: "h2" });
  });

  test("a renewed certificate is served without a restart, and streams stay open", async () => {
    const device = await world.login();
    const subscribers = await Promise.all(VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), device)));
    const second = await selfSigned("second.test");
    // Replaced in two steps: in between, the key does not match the certificate, and the old identity stays in use.
    copyFileSync(second.certificateFile, first.certificateFile);
    await until(() => world.logged().includes("tls files unusable"), "the rejection to be logged");
    expect((await handshake(world.gateway.edgeUrl)).name).toBe("first.test");
    copyFileSync(second.keyFile, first.keyFile);
    for (const url of [world.gateway.edgeUrl, world.gateway.grpcUrl]) {
      await until(async () => (await handshake(url)).name === "second.test", "the new certificate");
    }
    await world.push({ user_id: device.userId, event_type: "still.here", payload: {} });
    for (const subscriber of subscribers) {
      await until(() => subscriber.payloads("still.here").length === 1, "the event on the old connection");
      expect(subscriber.ended).toBeUndefined();
      subscriber.leave();
    }
    for (const variant of VARIANTS) {
      const transport = variant.open(variant.listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl, {
        ca: second.certificate,
      });
      const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
      expect((await createClient(Gateway, transport).executeCommand(request)).envelope?.resultCode).toBe("ok");
    }
  });
});

test("a renewed certificate is served by listeners with one port number on different addresses", async () => {
  const [port = 0] = await freePorts(1);
  const first = copyOf(await selfSigned("first.test"));
  const listen = { "edge.listen": { host: "127.0.0.1", port }, "grpc.listen": { host: "127.0.0.2", port } };
  const world = await openWorld({ ...filesOf(first), ...listen, "tls.reload_ms": 100 }, { tls: { ca: first.certificate } });
  const second = await selfSigned("second.test");
  copyFileSync(second.certificateFile, first.certificateFile);
  copyFileSync(second.keyFile, first.keyFile);
  for (const url of [world.gateway.edgeUrl, world.gateway.grpcUrl]) {
    await until(async () => (await handshake(url)).name === "second.test", "the new certificate");
  }
  await world.close();
});

describe.each(["own-port", "same-port"] as const)("an invalid TLS renewal (%s)", (grpc) => {
  let good: Certificate;
  let world: World;
  beforeAll(async () => {
    good = await selfSigned("good.test", { fromDays: -1, toDays: 1 });
    const authority = { "tls.client_ca_file": good.certificateFile };
    const trust = { ca: good.certificate, cert: good.certificate, key: good.key };
    world = await openWorld(
      { ...filesOf(copyOf(good)), ...authority, "edge.grpc": grpc, "tls.reload_ms": 100 },
      { tls: trust },
    );
  });
  afterAll(() => world.close());

  test.each<[string, () => Promise<{ certificate: string; key: string }>, string]>([
    ["an empty certificate file", async () => ({ certificate: "", key: good.key }), "contains no certificate"],
    ["an empty key file", async () => ({ certificate: good.certificate, key: "" }), "contains no private key"],
    ["an expired certificate", () => selfSigned("expired.test", { fromDays: -9, toDays: -1 }), "expired at"],
    ["a certificate that is not valid yet", () => selfSigned("early.test", { fromDays: 1, toDays: 9 }), "is not valid before"],
    [
      "a chain that is cut off",
      async () => {
        const renewed = await selfSigned("cut.test");
        return { ...renewed, certificate: renewed.certificate + good.certificate.slice(0, 200) };
      },
      "is cut off",
    ],
  ])("%s is rejected, and the old certificate stays in use", async (_, renewal, problem) => {
    const { certificate, key } = await renewal();
    writeFileSync(world.config["tls.key_file"] ?? "", key);
    writeFileSync(world.config["tls.certificate_file"] ?? "", certificate);
    await until(() => world.logged().includes(problem), "the renewal to be rejected");
    for (const url of [world.gateway.edgeUrl, world.gateway.grpcUrl])
      expect((await handshake(url, { cert: good.certificate, key: good.key })).name).toBe("good.test");
    expect(world.logged()).not.toContain("tls certificate renewed");
  });

  test("the expiry is a metric, and is logged as a warning if it is less than 14 days away", async () => {
    const expires = new X509Certificate(good.certificate).validToDate.getTime() / 1000;
    for (const file of ["certificate", "client_ca"])
      expect(await metric(world.gateway, "sallyport_tls_certificate_expiry_seconds", `{file="${file}"}`)).toBe(expires);
    expect(world.logged().match(/tls certificate expires soon/g)).toHaveLength(2);
  });
});

/** Writes the certificate and key to new files. */
function copyOf({ certificateFile, keyFile, ...texts }: Certificate): Certificate {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-tls-"));
  const files = { certificateFile: join(folder, "certificate.pem"), keyFile: join(folder, "key.pem") };
  copyFileSync(certificateFile, files.certificateFile);
  copyFileSync(keyFile, files.keyFile);
  return { ...files, ...texts };
}

describe("client certificates", () => {
  test("are required if a client CA is configured", async () => {
    const server = await selfSigned("server.test");
    const client = await selfSigned("client.test");
    const unknown = await selfSigned("unknown.test");
    const world = await openWorld(
      { ...filesOf(server), "tls.client_ca_file": client.certificateFile },
      { tls: { ca: server.certificate, cert: client.certificate, key: client.key } },
    );
    const device = await world.login();
    for (const variant of VARIANTS) {
      const url = variant.listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl;
      const call = async (tls: { ca: string; cert?: string; key?: string }) => {
        const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
        return createClient(Gateway, variant.open(url, tls)).executeCommand(request, { timeoutMs: 2000 });
      };
      const ca = server.certificate;
      expect((await call({ ca, cert: client.certificate, key: client.key })).envelope?.resultCode).toBe("ok");
      expect(
        await call({ ca }).then(
          () => "in",
          () => "out",
        ),
      ).toBe("out");
      expect(
        await call({ ca, cert: unknown.certificate, key: unknown.key }).then(
          () => "in",
          () => "out",
        ),
      ).toBe("out");
    }
    await world.close();
  });
});

/** `dev` on free ports, because its default ports may be in use. */
const DEV = ["dev", ...["edge.listen", "admin.listen", "dev.backend_listen", "dev.push_listen"].flatMap(onFreePort)];

function onFreePort(setting: string): string[] {
  return ["--set", `${setting}=127.0.0.1:0`];
}

describe("TLS files that cannot be used", () => {
  test("stop the start with one error line that names them", async () => {
    const [one, other] = [await selfSigned("one.test"), await selfSigned("other.test")];
    const misfit = runCommand(DEV, {
      SALLYPORT_TLS_CERTIFICATE_FILE: one.certificateFile,
      SALLYPORT_TLS_KEY_FILE: other.keyFile,
    });
    expect(await misfit.exited).toBe(2);
    expect(misfit.stderr()).toContain(one.certificateFile);
    expect(misfit.stderr().trim().split("\n")).toHaveLength(1);
    const empty = copyOf(one);
    writeFileSync(empty.certificateFile, "");
    const expired = await selfSigned("expired.test", { fromDays: -9, toDays: -1 });
    for (const grpc of ["own-port", "same-port"])
      for (const [files, problem] of [
        [empty, "contains no certificate"],
        [expired, "expired at"],
      ] as const) {
        const refused = runCommand([...DEV, "--set", `edge.grpc=${grpc}`], {
          SALLYPORT_TLS_CERTIFICATE_FILE: files.certificateFile,
          SALLYPORT_TLS_KEY_FILE: files.keyFile,
        });
        expect(await refused.exited).toBe(2);
        expect(refused.stderr()).toContain(problem);
        expect(refused.stderr().trim().split("\n")).toHaveLength(1);
      }
    const alone = runCommand(DEV, { SALLYPORT_TLS_CERTIFICATE_FILE: one.certificateFile });
    expect(await alone.exited).toBe(2);
    expect(alone.stderr()).toContain("tls.certificate_file is given without tls.key_file");
  });
});
