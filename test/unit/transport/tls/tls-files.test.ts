import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import type { Labels, LogFields } from "../../../../src/core/telemetry.ts";
import type { TlsExpiry } from "../../../../src/transport/tls/tls-check.ts";
import { TlsExpiryWatch } from "../../../../src/transport/tls/tls-expiry.ts";
import { readTlsFiles } from "../../../../src/transport/tls/tls-files.ts";
import { type Certificate, issuedBy, selfSigned } from "../../../support/certificates.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** An identity that a listener cannot serve must never replace the one that it serves. */

const DAY_MS = 86_400_000;
const YEAR = { fromDays: -1, toDays: 365 };
const EXPIRED = { fromDays: -10, toDays: -1 };

function read({ certificateFile: certificate, keyFile: key }: Certificate, clientCa?: string, nowMs = Date.now()) {
  return readTlsFiles({ certificate, key, clientCa }, nowMs);
}

/** The files of a valid identity, with the content of one replaced. */
async function replaced(file: "certificateFile" | "keyFile", content: (good: Certificate) => string): Promise<Certificate> {
  const good = await selfSigned("good.test");
  writeFileSync(good[file], content(good));
  return good;
}

describe("TLS files are refused:", () => {
  const junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

  test.each<[string, string, () => Promise<Certificate>]>([
    ["an empty certificate file", "no certificate", () => replaced("certificateFile", () => "")],
    ["a certificate file of empty lines", "no certificate", () => replaced("certificateFile", () => "\n\n")],
    ["text that is not PEM", "no certificate", () => replaced("certificateFile", () => "hunter2")],
    ["a key in the certificate's place", "no certificate", () => replaced("certificateFile", ({ key }) => key)],
    [
      "a certificate that is cut off",
      "cut off",
      () => replaced("certificateFile", ({ certificate }) => certificate.slice(0, 300)),
    ],
    [
      "a chain that is cut off",
      "cut off",
      () => replaced("certificateFile", ({ certificate }) => certificate + certificate.slice(0, 300)),
    ],
    ["a PEM block that is not a certificate", "1 of 1 cannot be parsed", () => replaced("certificateFile", () => junk)],
    [
      "a chain with a PEM block that is not a certificate",
      "2 of 2 cannot be parsed",
      () => replaced("certificateFile", (good) => good.certificate + junk),
    ],
    ["an empty key file", "no private key", () => replaced("keyFile", () => "")],
    ["a certificate in the key's place", "no private key", () => replaced("keyFile", ({ certificate }) => certificate)],
    ["a key that is cut off", "no private key", () => replaced("keyFile", ({ key }) => key.slice(0, 100))],
    [
      "a key with which every handshake fails",
      "RSA key of 512 bits",
      async () => issuedBy(await selfSigned("ca.test"), "leaf.test", YEAR, generateKeyPairSync("rsa", { modulusLength: 512 })),
    ],
    ["an expired certificate", "1 of 1 expired at", () => selfSigned("old.test", EXPIRED)],
    ["a certificate that is not valid yet", "is not valid before", () => selfSigned("new.test", { fromDays: 1, toDays: 2 })],
    [
      "a chain with an expired authority",
      "2 of 2 expired at",
      async () => issuedBy(await selfSigned("ca.test", EXPIRED), "leaf.test", YEAR),
    ],
  ])("%s", async (_, expected, files) => {
    const certificate = await files();
    expect(() => read(certificate)).toThrow(expected);
    expect(() => read(certificate)).toThrow(/key/.test(expected) ? certificate.keyFile : certificate.certificateFile);
  });

  test("a key of another certificate, or of the second certificate of the chain", async () => {
    const [one, other] = [await selfSigned("one.test"), await selfSigned("other.test")];
    copyFileSync(other.keyFile, one.keyFile);
    expect(() => read(one)).toThrow("cannot be used together");
    const leaf = await issuedBy(other, "leaf.test");
    copyFileSync(other.keyFile, leaf.keyFile);
    expect(() => read(leaf)).toThrow("cannot be used together");
  });

  test("client authorities without a certificate, with an incomplete one, or with expired ones only", async () => {
    const server = await selfSigned("server.test");
    const expired = await selfSigned("expired.test", EXPIRED);
    const authorities = await selfSigned("clients.test");
    for (const [content, expected] of [
      ["", "no certificate"],
      ["hunter2", "no certificate"],
      [junk, "cannot be parsed"],
      [authorities.certificate.slice(0, 300), "cut off"],
      [expired.certificate, "none of its certificates is valid now"],
    ] as const) {
      writeFileSync(authorities.certificateFile, content);
      expect(() => read(server, authorities.certificateFile)).toThrow(expected);
      expect(() => read(server, authorities.certificateFile)).toThrow("tls.client_ca_file");
    }
    writeFileSync(authorities.certificateFile, expired.certificate + authorities.certificate);
    expect(read(server, authorities.certificateFile).expiries).toHaveLength(2);
  });

  test("a missing file, with an error that names its setting and path once", async () => {
    const { certificateFile } = await selfSigned("gone.test");
    const missing = { certificateFile, keyFile: "/no/such/key.pem", certificate: "", key: "" };
    expect(() => read(missing)).toThrow("tls.key_file (/no/such/key.pem) cannot be read: ENOENT: no such file or directory");
    expect(() => read({ ...missing, keyFile: "hunter2" })).toThrow(/^(?!.*hunter2)/);
  });
});

describe("TLS files are accepted:", () => {
  test("a chain, with the earliest expiry of its certificates", async () => {
    const leaf = await issuedBy(await selfSigned("ca.test", { fromDays: -1, toDays: 20 }), "leaf.test", YEAR);
    const [{ expiresMs } = expect.unreachable()] = read(leaf).expiries;
    expect(Math.abs(expiresMs - Date.now() - 20 * DAY_MS)).toBeLessThan(60_000);
  });

  test("a certificate until the moment it expires", async () => {
    const certificate = await selfSigned("dated.test", { fromDays: -1, toDays: 1 });
    const [{ expiresMs } = expect.unreachable()] = read(certificate).expiries;
    expect(() => read(certificate, undefined, expiresMs)).not.toThrow();
    expect(() => read(certificate, undefined, expiresMs + 1)).toThrow("expired");
  });
});

describe("certificate expiry", () => {
  function watched() {
    const clock = new ManualClock();
    const lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
    const gauges: [string, number, Labels | undefined][] = [];
    const at = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
    const watch = new TlsExpiryWatch({
      clock,
      log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
      metrics: { count() {}, observe() {}, gauge: (name, value, labels) => void gauges.push([name, value, labels]) },
    });
    const expiries: readonly TlsExpiry[] = [{ file: "certificate", expiresMs: clock.now() + 30 * DAY_MS }];
    return { clock, watch, expiries, lines, gauges };
  }

  test("is a metric from the first check", () => {
    const { clock, watch, expiries, gauges } = watched();
    watch.check(expiries);
    expect(gauges).toEqual([
      ["sallyport_tls_certificate_expiry_seconds", clock.now() / 1000 + 30 * 86_400, { file: "certificate" }],
    ]);
  });

  test("is a warning once a day from 14 days before, and an error once a day afterwards", () => {
    const { clock, watch, expiries, lines } = watched();
    const days: (readonly [number, string])[] = [];
    for (let hour = 0; hour <= 32 * 24; hour++) {
      const before = lines.length;
      watch.check(expiries);
      if (lines.length > before) days.push([hour / 24, lines.at(-1)?.level ?? ""]);
      clock.advance(DAY_MS / 24);
    }
    const warned = Array.from({ length: 15 }, (_, at) => [16 + at, "warn"] as const);
    const hour = 1 / 24;
    expect(days).toEqual([...warned, [30 + hour, "error"], [31 + hour, "error"]]);
    expect(lines[0]?.fields).toEqual({
      file: "certificate",
      expires: new Date(expiries[0]?.expiresMs ?? 0).toISOString(),
      days: 14,
    });
  });

  test("is a new warning for a renewed certificate that also expires soon", () => {
    const { clock, watch, expiries, lines } = watched();
    clock.advance(20 * DAY_MS);
    watch.check(expiries);
    watch.renewed();
    watch.check(expiries);
    watch.check(expiries);
    expect(lines).toHaveLength(2);
  });
});
