import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate for 127.0.0.1, localhost and orders.test with its key, as files and texts. */
export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly certificate: string;
  readonly key: string;
}

/** When a certificate is valid, in days from now. Negative days are in the past. */
export interface Validity {
  readonly fromDays: number;
  readonly toDays: number;
}

/** Longer than the gateway's warning time before expiry. */
const ONE_MONTH: Validity = { fromDays: -1, toDays: 30 };

/** A self-signed certificate with this common name: ECDSA on P-256. */
export async function selfSigned(name: string, validity: Validity = ONE_MONTH): Promise<Certificate> {
  const keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return written(
    pemOf({ name, issuer: name, validity, publicKey: keys.publicKey, issuerKey: keys.privateKey }),
    keys.privateKey,
  );
}

/** A certificate signed by `issuer`, for a new ECDSA key or the given one. Its file holds the chain: the leaf first. */
export async function issuedBy(
  issuer: Certificate,
  name: string,
  validity: Validity = ONE_MONTH,
  keys: Pick<Issue, "publicKey"> & { privateKey: KeyObject } = generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
): Promise<Certificate> {
  const issuerName = new X509Certificate(issuer.certificate).subject.replace(/^CN=/, "");
  const issuerKey = createPrivateKey(issuer.key);
  const own = pemOf({ name, issuer: issuerName, validity, publicKey: keys.publicKey, issuerKey });
  return written(own + issuer.certificate, keys.privateKey);
}

function written(certificate: string, privateKey: KeyObject): Certificate {
  const key = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  const folder = mkdtempSync(join(tmpdir(), "sallyport-tls-"));
  const files = { certificateFile: join(folder, "certificate.pem"), keyFile: join(folder, "key.pem") };
  writeFileSync(files.certificateFile, certificate);
  writeFileSync(files.keyFile, key, { mode: 0o600 });
  return { ...files, certificate, key };
}

interface Issue {
  readonly name: string;
  readonly issuer: string;
  readonly validity: Validity;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
}

function pemOf(issue: Issue): string {
  const tbs = tbsCertificate(issue);
  const signature = sign("sha256", tbs, issue.issuerKey);
  const der = sequence(tbs, ECDSA_WITH_SHA256, tlv(0x03, Buffer.from([0]), signature));
  return `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

const DAY_MS = 86_400_000;

/** TBSCertificate (RFC 5280 4.1.2). Its extensions allow it to be a CA and a server certificate. */
function tbsCertificate({ name, issuer, validity, publicKey }: Issue): Buffer {
  const [notBefore, notAfter] = [validity.fromDays, validity.toDays].map((days) =>
    utcTime(new Date(Date.now() + days * DAY_MS)),
  );
  const hosts = ["localhost", "orders.test"].map((host) => tlv(0x82, Buffer.from(host)));
  const names = sequence(...hosts, tlv(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = [
    sequence(SUBJECT_ALT_NAME, tlv(0x04, names)),
    sequence(BASIC_CONSTRAINTS, TRUE, tlv(0x04, sequence(TRUE))),
  ];
  return sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    sequence(notBefore ?? Buffer.alloc(0), notAfter ?? Buffer.alloc(0)),
    nameOf(name),
    publicKey.export({ format: "der", type: "spki" }),
    tlv(0xa3, sequence(...extensions)),
  );
}

function nameOf(name: string): Buffer {
  return sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from(name)))));
}

/** DER (X.690): tag, length, content. */
function tlv(tag: number, ...content: Uint8Array[]): Buffer {
  const value = Buffer.concat(content);
  const { length } = value;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), value]);
}

function sequence(...parts: Uint8Array[]): Buffer {
  return tlv(0x30, ...parts);
}

function integer(bytes: Uint8Array): Buffer {
  return tlv(0x02, bytes);
}

function utcTime(time: Date): Buffer {
  return tlv(0x17, Buffer.from(`${time.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"));
}

const TRUE = tlv(0x01, Buffer.from([0xff]));
const ECDSA_WITH_SHA256 = sequence(oid("2a8648ce3d040302"));
const COMMON_NAME = oid("550403");
const SUBJECT_ALT_NAME = oid("551d11");
const BASIC_CONSTRAINTS = oid("551d13");
