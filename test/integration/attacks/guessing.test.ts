import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { type GatewayProcess, startGatewayProcess } from "../../support/gateway-process.ts";

/** Guesses and mail bombs by the hundred thousand, at a gateway with its default budgets that stands behind a trusted proxy. */

const SEND = "/api/v1/public/auth/send-email-code";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";
/** The base point: as good a key as any (RFC 8032 5.1). */
const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");
const GUESSES = 100_000;
const MAILS = 20_000;
const BOTS = 1000;
/** Connections that the proxy keeps open to the gateway. */
const AT_ONCE = 100;
const TIMEOUT_MS = 120_000;
const DEFAULTS = loadConfig({ env: {} });

/** Half of the bots have an IPv4 address, half an IPv6 network. */
function addressOf(bot: number): string {
  return bot % 2 === 0 ? `198.18.${bot >> 8}.${bot & 255}` : `2001:db8:${bot.toString(16)}::1`;
}

const PROXIES = [
  { header: "x-forwarded-for", write: (address: string) => `203.0.113.9, ${address}` },
  {
    header: "forwarded",
    write: (address: string) => `for=203.0.113.9, for=${address.includes(":") ? `"[${address}]"` : address}`,
  },
] as const;

type Budget = "send_code" | "confirm_code";

/** What a token bucket gives at most in so many seconds from when it was full: proto/README.md, "Budgets". */
function documented(budget: Budget, seconds: number): number {
  return DEFAULTS[`budgets.${budget}.burst`] + Math.floor(DEFAULTS[`budgets.${budget}.rate`] * seconds);
}

/** Whether a refusal of the gateway's own says everything: 429, when to come back, which budget it was, and what the budgets are. */
function isToldAll({ status, headers }: Response, budget: Budget): boolean {
  const limit = new RegExp(`^"(public_auth|${budget})";r=0;t=[1-9]\\d*$`).test(headers.get("ratelimit") ?? "");
  const policy = headers.get("ratelimit-policy")?.includes(`"${budget}";q=${DEFAULTS[`budgets.${budget}.burst`]};w=`) ?? false;
  return status === 429 && Number(headers.get("retry-after")) >= 1 && limit && policy;
}

describe.each(PROXIES)("through a trusted proxy that writes $header", ({ header, write }) => {
  let gateway: GatewayProcess;
  beforeAll(async () => {
    gateway = await startGatewayProcess({ trusted_proxies: "127.0.0.1", trusted_proxies_header: header });
  });
  afterAll(() => gateway.close());

  const fetchFrom =
    (address: string) =>
    (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
      const headers = new Headers(init.headers);
      headers.set(header, write(address));
      return fetch(input, { ...init, headers });
    };

  /** Each bot in turn, until there were so many; beside it one honest person after the other logs in. */
  async function storm(times: number, budget: Budget, path: string, bodyOf: (n: number) => object) {
    const before = gateway.faults.calls(path);
    const startedMs = performance.now();
    const untold: string[] = [];
    let [next, refused, isOver, loggedIn] = [0, 0, false, 0];
    const headers = { "content-type": "application/json" };
    const lane = async () => {
      while (next < times) {
        const n = next++;
        const init = { method: "POST", headers, body: JSON.stringify(bodyOf(n)) };
        const answer = await fetchFrom(addressOf(n % BOTS))(`${gateway.edgeUrl}${path}`, init);
        await answer.arrayBuffer();
        // What the backend answers itself has no such field.
        if (!answer.headers.has("ratelimit")) continue;
        refused++;
        if (!isToldAll(answer, budget)) untold.push(`${answer.status} ${JSON.stringify([...answer.headers])}`);
      }
    };
    const honest = async () => {
      while (!isOver) {
        const { deviceSessionId } = await gateway.login(undefined, fetchFrom(`192.0.2.${loggedIn % 256}`));
        expect(deviceSessionId).not.toBe("");
        loggedIn++;
        await Bun.sleep(100);
      }
    };
    const beside = honest();
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    isOver = true;
    await beside;
    const seconds = (performance.now() - startedMs) / 1000;
    return { asked: gateway.faults.calls(path) - before - loggedIn, refused, untold, loggedIn, seconds };
  }

  test(
    "a hundred thousand guesses at one code, from a thousand addresses: the backend sees no more than the budget of the challenge",
    async () => {
      const bodyOf = (n: number) => ({ challenge_id: "c-1", code: String(n).padStart(6, "0"), client_public_key: KEY });
      const { asked, refused, untold, loggedIn, seconds } = await storm(GUESSES, "confirm_code", CONFIRM, bodyOf);
      expect(asked).toBeGreaterThanOrEqual(DEFAULTS["budgets.confirm_code.burst"]);
      expect(asked).toBeLessThanOrEqual(documented("confirm_code", seconds));
      expect(refused).toBe(GUESSES - asked);
      expect(untold.slice(0, 3)).toEqual([]);
      expect(loggedIn).toBeGreaterThan(1);
    },
    TIMEOUT_MS,
  );

  test(
    "a mail bomb from a thousand addresses, each mail written another way: the mailbox gets no more than its budget",
    async () => {
      const { asked, refused, untold, loggedIn, seconds } = await storm(MAILS, "send_code", SEND, (n) => ({
        email: writing(n),
      }));
      expect(asked).toBeGreaterThanOrEqual(DEFAULTS["budgets.send_code.burst"]);
      expect(asked).toBeLessThanOrEqual(documented("send_code", seconds));
      expect(refused).toBe(MAILS - asked);
      expect(untold.slice(0, 3)).toEqual([]);
      expect(loggedIn).toBeGreaterThan(1);
    },
    TIMEOUT_MS,
  );
});

/** One mailbox in thousands of ways: upper and lower case, plus addresses, the root's dot, full-width letters. */
function writing(n: number): string {
  const name = [..."victim"].map((letter, at) => ((n >> at) & 1 ? letter.toUpperCase() : letter)).join("");
  const wide = (n >> 6) & 1 ? name.replace("i", "\uff49") : name;
  const plus = (n >> 7) & 1 ? `+${n}` : "";
  const domain = (n >> 8) & 1 ? "EXAMPLE.com" : "example.com";
  return `${wide}${plus}@${domain}${(n >> 9) & 1 ? "." : ""}`;
}
