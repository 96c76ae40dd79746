import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:http2";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Guesses of a code under many spellings of one challenge id. A lenient parser of the backend may read them all as the same id. */

/** A valid public key: the base point (RFC 8032 5.1). */
const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");
const GUESSES = 60;
const BURST = 5;
const BUDGET = { "budgets.confirm_code.rate": 0.001, "budgets.confirm_code.burst": BURST };
const ENDS = [..."GHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz~._-"];

/** Known lenient parsers: Go ignores the first and last of 38 characters; Python accepts underscores and a sign in numbers. */
const ATTACKS: readonly (readonly [string, (uuid: string, n: number) => string])[] = [
  ["two extra characters (Go)", (uuid, n) => `${ENDS[n % ENDS.length]}${uuid}${ENDS[(n * 7) % ENDS.length]}`],
  ["a sign for the first digit (Python)", (uuid) => `+${uuid.slice(1)}`],
  ["underscores among the digits (Python)", (uuid, n) => underscored(uuid.replaceAll("-", ""), n)],
  [
    "upper and lower case",
    (uuid, n) => [...uuid].map((each, at) => ((n >> (at % 6)) & 1 ? each.toUpperCase() : each)).join(""),
  ],
  ["a suffix (SQL Server)", (uuid, n) => `${uuid}${n}`],
];

function underscored(digits: string, n: number): string {
  const at = 1 + (n % 30);
  return `${digits.slice(1, at + 1)}_${digits.slice(at + 1)}`;
}

type Post = (path: string, body: object) => Promise<{ status: number; body: string }>;

const overFetch =
  (base: string): Post =>
  async (path, body) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${base}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.text() };
  };

const overHttp2 =
  (base: string): Post =>
  (path, body) => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
    const connection = connect(base);
    connection.on("error", reject);
    const stream = connection.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
    const answer = { status: 0, body: "" };
    stream.on("response", (headers) => {
      answer.status = Number(headers[":status"]);
    });
    stream.setEncoding("utf8").on("data", (text) => {
      answer.body += text;
    });
    stream.on("error", reject).on("end", () => {
      connection.close();
      resolve(answer);
    });
    stream.end(JSON.stringify(body));
    return promise;
  };

const LISTENERS = [
  ["the edge", {}, overFetch],
  ["the edge over HTTP/2", {}, overHttp2],
  ["the one port", { "edge.grpc": "same-port" }, overFetch],
  ["the one port over HTTP/2", { "edge.grpc": "same-port" }, overHttp2],
] as const;

const CASES = LISTENERS.flatMap(([name, listener, open]) =>
  LOGIN_PATHS.map(({ rows, SEND, CONFIRM }) => ({ name: `${name}, ${rows}`, listener, open, SEND, CONFIRM })),
);

describe.each(CASES)("on $name", ({ listener, open, SEND, CONFIRM }) => {
  let world: World;
  let post: Post;
  beforeAll(async () => {
    world = await openWorld({ ...BUDGET, ...listener });
    post = open(world.gateway.edgeUrl);
  });
  afterAll(() => world.close());

  async function newChallenge(): Promise<string> {
    const { body } = await post(SEND, { email: `ada-${Math.random()}@example.com` });
    const { challenge_id }: { challenge_id: string } = JSON.parse(body);
    return challenge_id;
  }

  const guess = (challenge_id: string, n: number) =>
    post(CONFIRM, { challenge_id, code: String(n).padStart(6, "x"), client_public_key: KEY });

  test.each(ATTACKS)("%s: every guess is refused with 400, and none reaches the backend", async (_, spell) => {
    const uuid = await newChallenge();
    const before = world.faults.calls(CONFIRM);
    const spellings = Array.from({ length: GUESSES }, (_, n) => spell(uuid, n)).filter((each) => each !== uuid);
    const answers = await Promise.all(spellings.map((each, n) => guess(each, n)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
    expect(answers[0]?.body).toContain("invalid_request");
    expect(world.faults.calls(CONFIRM)).toBe(before);
  });

  test("guesses of the challenge id as issued are limited by its budget, which refused spellings do not spend", async () => {
    const uuid = await newChallenge();
    for (let n = 0; n < 10; n++) await guess(`X${uuid}Y`, n);
    const before = world.faults.calls(CONFIRM);
    const answers = await Promise.all(Array.from({ length: GUESSES }, (_, n) => guess(uuid, n)));
    expect(world.faults.calls(CONFIRM) - before).toBe(BURST);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(GUESSES - BURST);
  });
});
