import { describe, expect, test } from "bun:test";
import { RestError } from "../../../../../src/core/rest-reply.ts";
import type { DeviceKeyRules } from "../../../../../src/service/public/fields/device-key-check.ts";
import { ANY_KEY, defaultRow } from "../../../../support/public-rows.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");
const checkSendCode = (json: unknown) => defaultRow("send-email-code").check(json, new Map());
const checkConfirmCode = (json: unknown, rules: DeviceKeyRules) =>
  defaultRow("confirm-email-code", rules).check(json, new Map());
const confirm = { challenge_id: "c-1", code: "123456", client_public_key: KEY };

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof RestError && error.status === 400) return error.message;
    throw error;
  }
  return "accepted";
}

describe("send-email-code", () => {
  test.each(["ada@example.com", "a@b", "ada+tag@exämple.com", "ada.o'hara@example.com"])(
    "%s is accepted unchanged",
    (email) => {
      expect(checkSendCode({ email }).fields).toEqual({ email });
    },
  );

  test.each([
    "",
    "ada",
    "@example.com",
    "ada@",
    "a@b@c",
    "ada @example.com",
    "ada@example.com\n",
    "ada@example.com\r\nBcc: all@example.com",
    "ada\u0000@example.com",
    "ada@exa\u200bmple.com",
    "Ada <ada@example.com>",
    "ada@example.com,eve@example.com",
    "ada@example.com;eve@example.com",
    `${"a".repeat(251)}@b.c`,
  ])("%j is refused as an address", (email) => {
    expect(messageOf(() => checkSendCode({ email }))).toContain("email");
  });

  test.each([
    ["null", null],
    ["an array", []],
    ["a string", "email"],
    ["an empty object", {}],
    ["a number as email", { email: 1 }],
    ["an unknown field", { email: "ada@example.com", admin: true }],
    ["a field __proto__", JSON.parse('{"email":"ada@example.com","__proto__":{"x":1}}')],
    ["metadata that is an array", { email: "ada@example.com", metadata: [] }],
    ["nested metadata", { email: "ada@example.com", metadata: { a: { b: "c" } } }],
    ["metadata with an invalid name", { email: "ada@example.com", metadata: { "a b": "c" } }],
    ["a metadata value that is too long", { email: "ada@example.com", metadata: { a: "x".repeat(257) } }],
    [
      "too many metadata entries",
      { email: "ada@example.com", metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`n${n}`, ""])) },
    ],
  ])("%s is refused", (_, json) => {
    expect(messageOf(() => checkSendCode(json))).not.toBe("accepted");
  });

  test("a long unknown field name is truncated in the error", () => {
    expect(messageOf(() => checkSendCode({ ["x".repeat(8000)]: 1 })).length).toBeLessThan(200);
  });

  test("sixteen metadata entries are forwarded unchanged", () => {
    const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`n${n}`, "x".repeat(256)]));
    expect(checkSendCode({ email: "ada@example.com", metadata }).fields["metadata"]).toEqual(metadata);
  });
});

describe("mail bomb: all spellings of a mailbox share one budget", () => {
  const { identity } = checkSendCode({ email: "ada@bücher.example" });

  test.each([
    "ADA@bücher.example",
    "ada@BÜCHER.example",
    "ada@xn--bcher-kva.example",
    "ada@bücher.example.",
    "ａｄａ@bücher.example",
    "ada@bücher。example",
    "ada@bu\u0308cher.example",
    "a.d.a@bücher.example",
    "ada+news@bücher.example",
    "a\u034fda@bücher.example",
    "ad\ufe0fa@bücher.example",
    "ada@bücher.example..",
  ])("%s", (email) => {
    expect(checkSendCode({ email }).identity).toBe(identity);
  });

  test("another mailbox has another budget", () => {
    expect(checkSendCode({ email: "bob@bücher.example" }).identity).not.toBe(identity);
    expect(checkSendCode({ email: "ada@bucher.example" }).identity).not.toBe(identity);
  });
});

describe("confirm-email-code", () => {
  test("a strict key is accepted, and the call spends the challenge's budget", () => {
    expect(checkConfirmCode(confirm, ANY_KEY)).toMatchObject({ fields: confirm, identity: "c1" });
  });

  test("a key that is not strict is refused by the expensive check", () => {
    expect(messageOf(() => checkConfirmCode(confirm, ANY_KEY).expensiveCheck?.())).toBe("accepted");
    expect(messageOf(() => checkConfirmCode(confirm, { ...ANY_KEY, isStrictKey: () => false }).expensiveCheck?.())).toContain(
      "client_public_key",
    );
  });

  test.each([
    ["of 31 bytes", Buffer.alloc(31).toString("base64")],
    ["of 33 bytes", Buffer.alloc(33).toString("base64")],
    ["without padding", KEY.replace("=", "")],
    ["with stray bits in the last digit", `${KEY.slice(0, 42)}d=`],
    ["in base64url", Buffer.alloc(32, 0xff).toString("base64url")],
    ["with white space before it", ` ${KEY}`],
    ["with a line break after it", `${KEY}\n`],
    ["in an array", [KEY]],
  ])("a key %s is refused", (_, client_public_key) => {
    expect(messageOf(() => checkConfirmCode({ ...confirm, client_public_key }, ANY_KEY))).toContain("client_public_key");
  });

  test.each([
    ["challenge_id", ""],
    ["challenge_id", "a b"],
    ["challenge_id", "X01a2099a-5150-74e9-b0ec-1ac9f2114ff2Y"],
    ["challenge_id", "c-1\r\nX-User-Id: admin"],
    ["challenge_id", "x".repeat(129)],
    ["code", "1 2"],
    ["code", "x".repeat(33)],
    ["code", 123456],
  ])("%s %j is refused", (field, value) => {
    expect(messageOf(() => checkConfirmCode({ ...confirm, [field]: value }, ANY_KEY))).toContain(field);
  });
});

describe("confirm-email-code with client_key_algorithm", () => {
  const POINT = Buffer.from([4, ...new Uint8Array(64).fill(7)]).toString("base64");
  const es256 = { ...confirm, client_public_key: POINT, client_key_algorithm: "ES256" };
  const only = (...algorithms: DeviceKeyRules["algorithms"]) => ({ ...ANY_KEY, algorithms });

  test("ES256 and EdDSA are accepted, and the body is forwarded unchanged", () => {
    expect(checkConfirmCode(es256, ANY_KEY).fields).toBe(es256);
    const eddsa = { ...confirm, client_key_algorithm: "EdDSA" };
    expect(checkConfirmCode(eddsa, ANY_KEY).fields).toBe(eddsa);
    expect(Object.keys(checkConfirmCode(confirm, ANY_KEY).fields)).not.toContain("client_key_algorithm");
  });

  test("the expensive check gets the named algorithm and the raw key, or EdDSA if none is named", () => {
    const seen: unknown[] = [];
    const rules = { ...ANY_KEY, isStrictKey: (...of: unknown[]) => seen.push(of) > 0 };
    checkConfirmCode(es256, rules).expensiveCheck?.();
    checkConfirmCode(confirm, rules).expensiveCheck?.();
    expect(seen).toEqual([
      ["ES256", Buffer.from(POINT, "base64")],
      ["EdDSA", Buffer.from(KEY, "base64")],
    ]);
  });

  test.each([
    ["another spelling", "es256"],
    ["a space after it", "ES256 "],
    ["another algorithm", "ES384"],
    ["the curve of EdDSA", "Ed25519"],
    ["none", "none"],
    ["an empty string", ""],
    ["null", null],
    ["an array", ["ES256"]],
    ["an object", { name: "ES256" }],
    ["a number", 256],
    ["true", true],
  ])("%s is refused, and the answer names the accepted algorithms", (_, client_key_algorithm) => {
    expect(messageOf(() => checkConfirmCode({ ...es256, client_key_algorithm }, ANY_KEY))).toContain(
      "client_key_algorithm must be EdDSA or ES256; if it is missing, it is EdDSA",
    );
  });

  test("an algorithm that is not accepted is refused, also if the field is missing", () => {
    expect(messageOf(() => checkConfirmCode(es256, only("EdDSA")))).toContain("client_key_algorithm must be EdDSA;");
    expect(messageOf(() => checkConfirmCode(confirm, only("ES256")))).toContain("client_key_algorithm must be ES256;");
    expect(messageOf(() => checkConfirmCode(confirm, only("EdDSA")))).toBe("accepted");
    expect(messageOf(() => checkConfirmCode(es256, only("ES256")))).toBe("accepted");
  });

  test.each([
    ["the key of the other algorithm for ES256", { ...es256, client_public_key: KEY }],
    ["the key of the other algorithm for EdDSA", { ...es256, client_key_algorithm: "EdDSA" }],
    ["a P-256 key without the algorithm", { ...confirm, client_public_key: POINT }],
    ["64 bytes", { ...es256, client_public_key: Buffer.alloc(64, 7).toString("base64") }],
    ["a compressed point", { ...es256, client_public_key: Buffer.alloc(33, 2).toString("base64") }],
    ["no padding", { ...es256, client_public_key: POINT.replace("=", "") }],
    ["base64url", { ...es256, client_public_key: Buffer.alloc(65, 0xff).toString("base64url") }],
    ["stray bits in the last digit", { ...es256, client_public_key: POINT.replace(/.=$/, "d=") }],
    ["white space after it", { ...es256, client_public_key: `${POINT} ` }],
  ])("a key is refused: %s", (_, body) => {
    expect(messageOf(() => checkConfirmCode(body, ANY_KEY))).toContain("client_public_key must be the base64");
  });
});
