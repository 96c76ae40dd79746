import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { type GatewayProcess, startGatewayProcess } from "../../support/gateway-process.ts";

/** 100,000 guesses of a code, and a mail bomb, at a gateway with default budgets behind a trusted proxy. */

const SEND = "/api/v1/public/auth/send-email-code";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";
/** A valid public key: the base point (RFC 8032 5.1). */
const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");
const GUESSES = 100_000;
const MAILS = 20_000;
const BOTS = 1000;
/** Concurrent requests from the proxy to the gateway. */
const CONCURRENCY = 100;
const TIMEOUT_MS = 120_000;
const DEFAULTS = loadConfig({ env: {} });

/** Even bots have an IPv4 address, odd ones an IPv6 network. */
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

/** The tokens that a full bucket gives in this time at most (proto/README.md, "Budgets"). */
function tokensMax(budget: Budget, seconds: number): number {
  return DEFAULTS[`budgets.${budget}.burst`] + Math.floor(DEFAULTS[`budgets.${budget}.rate`] * seconds);
}

/** Whether a refusal is complete: 429, Retry-After, the exhausted budget and the policies. */
function isComplete({ status, headers }: Response, budget: Budget): boolean {
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

  /** Sends this many requests from all bots in turn. Meanwhile, honest users log in one after the other. */
  async function attack(times: number, budget: Budget, path: string, bodyOf: (n: number) => object) {
    const before = gateway.faults.calls(path);
    const startedMs = performance.now();
    const incomplete: string[] = [];
    let [next, refused, isOver, loggedIn] = [0, 0, false, 0];
    const headers = { "content-type": "application/json" };
    const worker = async () => {
      while (next < times) {
        const n = next++;
        const init = { method: "POST", headers, body: JSON.stringify(bodyOf(n)) };
        const answer = await fetchFrom(addressOf(n % BOTS))(`${gateway.edgeUrl}${path}`, init);
        await answer.arrayBuffer();
        // An answer of the backend has no such field.
        if (!answer.headers.has("ratelimit")) continue;
        refused++;
        if (!isComplete(answer, budget)) incomplete.push(`${answer.status} ${JSON.stringify([...answer.headers])}`);
      }
    };
    const logInRepeatedly = async () => {
      while (!isOver) {
        const { deviceSessionId } = await gateway.login(undefined, fetchFrom(`192.0.2.${loggedIn % 256}`));
        expect(deviceSessionId).not.toBe("");
        loggedIn++;
        await Bun.sleep(100);
      }
    };
    const logins = logInRepeatedly();
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    isOver = true;
    await logins;
    const seconds = (performance.now() - startedMs) / 1000;
    return { reached: gateway.faults.calls(path) - before - loggedIn, refused, incomplete, loggedIn, seconds };
  }

  test(
    "of 100,000 guesses of one code from a thousand addresses, only those within the challenge's budget reach the backend",
    async () => {
      const bodyOf = (n: number) => ({ challenge_id: "c-1", code: String(n).padStart(6, "0"), client_public_key: KEY });
      const { reached, refused, incomplete, loggedIn, seconds } = await attack(GUESSES, "confirm_code", CONFIRM, bodyOf);
      expect(reached).toBeGreaterThanOrEqual(DEFAULTS["budgets.confirm_code.burst"]);
      expect(reached).toBeLessThanOrEqual(tokensMax("confirm_code", seconds));
      expect(refused).toBe(GUESSES - reached);
      expect(incomplete.slice(0, 3)).toEqual([]);
      expect(loggedIn).toBeGreaterThan(1);
    },
    TIMEOUT_MS,
  );

  test(
    "of a mail bomb from a thousand addresses under many spellings, only mails within the mailbox's budget reach the backend",
    async () => {
      const { reached, refused, incomplete, loggedIn, seconds } = await attack(MAILS, "send_code", SEND, (n) => ({
        email: spelling(n),
      }));
      expect(reached).toBeGreaterThanOrEqual(DEFAULTS["budgets.send_code.burst"]);
      expect(reached).toBeLessThanOrEqual(tokensMax("send_code", seconds));
      expect(refused).toBe(MAILS - reached);
      expect(incomplete.slice(0, 3)).toEqual([]);
      expect(loggedIn).toBeGreaterThan(1);
    },
    TIMEOUT_MS,
  );
});

/** The n-th spelling of one mailbox: upper and lower case, plus addresses, a trailing dot, full-width letters. */
function spelling(n: number): string {
  const name = [..."victim"].map((letter, at) => ((n >> at) & 1 ? letter.toUpperCase() : letter)).join("");
  const wide = (n >> 6) & 1 ? name.replace("i", "\uff49") : name;
  const plus = (n >> 7) & 1 ? `+${n}` : "";
  const domain = (n >> 8) & 1 ? "EXAMPLE.com" : "example.com";
  return `${wide}${plus}@${domain}${(n >> 9) & 1 ? "." : ""}`;
}
