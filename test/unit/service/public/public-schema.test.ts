import { describe, expect, test } from "bun:test";
import { RestError } from "../../../../src/core/rest-reply.ts";
import { checkConfirmCode, checkSendCode } from "../../../../src/service/public/public-schema.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");
const anyKey = () => true;
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
      expect(checkSendCode({ email }).body).toEqual({ email });
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
    expect(checkSendCode({ email: "ada@example.com", metadata }).body["metadata"]).toEqual(metadata);
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
    expect(checkConfirmCode(confirm, anyKey)).toMatchObject({ body: confirm, identity: "c1" });
  });

  test("a key that is not strict is refused by the expensive check", () => {
    expect(messageOf(() => checkConfirmCode(confirm, anyKey).expensiveCheck?.())).toBe("accepted");
    expect(messageOf(() => checkConfirmCode(confirm, () => false).expensiveCheck?.())).toContain("client_public_key");
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
    expect(messageOf(() => checkConfirmCode({ ...confirm, client_public_key }, anyKey))).toContain("client_public_key");
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
    expect(messageOf(() => checkConfirmCode({ ...confirm, [field]: value }, anyKey))).toContain(field);
  });
});
