import { beforeEach, describe, expect, test } from "bun:test";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import { type Fetch, RestError } from "../../../src/client/rest.ts";
import { type KeyRing, type PublicJwk, publicJwk } from "../../../src/crypto/key-ring.ts";
import { until } from "../../support/until.ts";
import { newKeyRing, serveKeys } from "./fake-gateway.ts";

const BASE_URL = "https://gateway.example";
const MESSAGE = new TextEncoder().encode("message");
const RING = newKeyRing();
const OTHER = newKeyRing();
const SIGNATURE = RING.sign(MESSAGE);

let nowMs = 0;
const monotonic = () => nowMs;

beforeEach(() => {
  nowMs = 0;
});

describe("a signature", () => {
  const keys = new GatewayKeys(BASE_URL, { fetch: serveKeys(RING, OTHER).fetch, monotonic });

  test("by the key that it names is valid", async () => {
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });

  test("by another of the gateway's keys than the one it names is not", async () => {
    expect(await keys.verify(OTHER.keyId, MESSAGE, SIGNATURE)).toBe("invalid");
  });

  test("of something else is not", async () => {
    expect(await keys.verify(RING.keyId, MESSAGE.subarray(1), SIGNATURE)).toBe("invalid");
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE.subarray(1))).toBe("invalid");
  });
});

describe("the key set is fetched", () => {
  test("from the well-known path, once, however many responses wait for it", async () => {
    const urls: string[] = [];
    const fetch: Fetch = async (url, { cache }) => {
      expect(cache).toBe("no-store");
      urls.push(url);
      return Response.json(RING.jwks);
    };
    const keys = new GatewayKeys(`${BASE_URL}/`, { fetch, monotonic });
    const verdicts = await Promise.all([1, 2, 3].map(() => keys.verify(RING.keyId, MESSAGE, SIGNATURE)));
    expect(verdicts).toEqual(["valid", "valid", "valid"]);
    expect(urls).toEqual([`${BASE_URL}/.well-known/jwks.json`]);
  });

  test("again when the gateway has rotated its keys, so that long-lived clients live on", async () => {
    let ring = OTHER;
    const keys = new GatewayKeys(BASE_URL, { fetch: async () => Response.json(ring.jwks), monotonic });
    expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    ring = RING;
    nowMs += 10_000;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });

  test("no more than once in ten seconds for key ids that nobody knows", async () => {
    const served = serveKeys(RING);
    const keys = new GatewayKeys(BASE_URL, { fetch: served.fetch, monotonic });
    for (let at = 0; at < 50; at++, nowMs += 199)
      expect(await keys.verify(`unknown-${at}`, MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(served.calls()).toBe(1);
    nowMs = 10_000;
    expect(await keys.verify("unknown", MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(served.calls()).toBe(2);
  });

  test("again at once after a fetch that failed: an outage of a moment does not lock the client out", async () => {
    let answer = () => new Response("", { status: 503 });
    const keys = new GatewayKeys(BASE_URL, { fetch: async () => answer(), monotonic });
    await expect(keys.verify(RING.keyId, MESSAGE, SIGNATURE)).rejects.toBeInstanceOf(RestError);
    answer = () => Response.json(RING.jwks);
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });
});

describe("a key that the gateway has withdrawn", () => {
  /** A gateway that serves this ring, or fails. */
  function changing(ring: KeyRing) {
    const served = { ring, fails: false, calls: 0 };
    const fetch: Fetch = async () => {
      served.calls++;
      return served.fails ? new Response("", { status: 503 }) : Response.json(served.ring.jwks);
    };
    return { served, keys: new GatewayKeys(BASE_URL, { fetch, monotonic }) };
  }

  test("is not taken for longer than five minutes, though it is known", async () => {
    const { served, keys } = changing(RING);
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
    served.ring = OTHER;
    nowMs = 239_999;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
    expect(served.calls).toBe(1);
    nowMs = 300_000;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    expect(served.calls).toBe(2);
  });

  test("is noticed ahead of time by a client in use, which waits for no fetch", async () => {
    const { served, keys } = changing(RING);
    await keys.verify(RING.keyId, MESSAGE, SIGNATURE);
    served.ring = OTHER;
    nowMs = 240_000;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
    await until(async () => (await keys.verify(RING.keyId, MESSAGE, SIGNATURE)) === "key_unknown", "the key to be withdrawn");
    expect(served.calls).toBe(2);
  });

  test("is not kept alive by whoever keeps the key set away", async () => {
    const { served, keys } = changing(RING);
    await keys.verify(RING.keyId, MESSAGE, SIGNATURE);
    served.fails = true;
    nowMs = 299_999;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
    nowMs = 300_000;
    await expect(keys.verify(RING.keyId, MESSAGE, SIGNATURE)).rejects.toBeInstanceOf(RestError);
    served.fails = false;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });

  test("is not kept alive by an answer that was held back", async () => {
    let answer = () => {};
    const fetch: Fetch = () =>
      new Promise((resolve) => {
        answer = () => resolve(Response.json(RING.jwks));
      });
    const keys = new GatewayKeys(BASE_URL, { fetch, monotonic });
    const first = keys.verify(RING.keyId, MESSAGE, SIGNATURE);
    nowMs = 14_000;
    answer();
    expect(await first).toBe("valid");
    nowMs = 300_000;
    const again = keys.verify(RING.keyId, MESSAGE, SIGNATURE);
    answer();
    expect(await again).toBe("valid");
  });
});

describe("pinned keys", () => {
  test("are the only ones that are taken, whatever is published", async () => {
    const served = serveKeys(RING, OTHER);
    const keys = new GatewayKeys(BASE_URL, { fetch: served.fetch, monotonic, pinnedKeyIds: [OTHER.keyId] });
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(served.calls()).toBe(0);
    expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    expect(await keys.verify(OTHER.keyId, MESSAGE, SIGNATURE)).toBe("invalid");
  });

  test("are not taken either once they are withdrawn, and none is where none is pinned", async () => {
    const keys = new GatewayKeys(BASE_URL, { fetch: serveKeys(OTHER).fetch, monotonic, pinnedKeyIds: [RING.keyId] });
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    const none = new GatewayKeys(BASE_URL, { fetch: serveKeys(OTHER).fetch, monotonic, pinnedKeyIds: [] });
    expect(await none.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("key_unknown");
  });
});

describe("a key is not used", () => {
  const [good] = RING.jwks.keys;
  const smallOrder = publicJwk(new Uint8Array([1, ...new Uint8Array(31)]));
  const cases: Record<string, Partial<PublicJwk> | { kty?: unknown; crv?: unknown; x?: unknown; kid?: unknown }> = {
    "whose kid is not its thumbprint": { kid: newKeyRing().keyId },
    "without a kid": { kid: undefined },
    "of another kind": { kty: "EC" },
    "of another curve": { crv: "X25519" },
    "that is too short": { x: good?.x.slice(1) },
    "that is not text": { x: 7 },
    "under which anything verifies": smallOrder,
  };
  for (const [name, change] of Object.entries(cases)) {
    test(`${name}; the others of the set are`, async () => {
      const bad = { ...good, ...change };
      const fetch: Fetch = async () => Response.json({ keys: [bad, 7, null, ...OTHER.jwks.keys] });
      const keys = new GatewayKeys(BASE_URL, { fetch, monotonic });
      const keyId = typeof bad.kid === "string" ? bad.kid : (good?.kid ?? "");
      expect(await keys.verify(keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
      expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
      expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    });
  }

  test("beyond the first sixteen of a set", async () => {
    const rings = Array.from({ length: 17 }, newKeyRing);
    const keys = new GatewayKeys(BASE_URL, { fetch: serveKeys(...rings).fetch, monotonic });
    const verdicts = await Promise.all(rings.map((ring) => keys.verify(ring.keyId, MESSAGE, ring.sign(MESSAGE))));
    expect(verdicts).toEqual([...Array(16).fill("valid"), "key_unknown"]);
  });
});

describe("a key set of any other shape holds no keys", () => {
  for (const body of [{}, [], null, { keys: {} }, { keys: "" }, 7]) {
    test(JSON.stringify(body), async () => {
      const keys = new GatewayKeys(BASE_URL, { fetch: async () => Response.json(body), monotonic });
      expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    });
  }
});
