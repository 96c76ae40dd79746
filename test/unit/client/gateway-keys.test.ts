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

  test("made by the key of its key_id is valid", async () => {
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });

  test("made by another key of the gateway is invalid", async () => {
    expect(await keys.verify(OTHER.keyId, MESSAGE, SIGNATURE)).toBe("invalid");
  });

  test("of another message, or of the wrong length, is invalid", async () => {
    expect(await keys.verify(RING.keyId, MESSAGE.subarray(1), SIGNATURE)).toBe("invalid");
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE.subarray(1))).toBe("invalid");
  });
});

describe("the key set is fetched", () => {
  test("from the well-known path, once for concurrent calls", async () => {
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

  test("again after the gateway has rotated its keys", async () => {
    let ring = OTHER;
    const keys = new GatewayKeys(BASE_URL, { fetch: async () => Response.json(ring.jwks), monotonic });
    expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    ring = RING;
    nowMs += 10_000;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });

  test("at most once in ten seconds for unknown key ids", async () => {
    const served = serveKeys(RING);
    const keys = new GatewayKeys(BASE_URL, { fetch: served.fetch, monotonic });
    for (let at = 0; at < 50; at++, nowMs += 199)
      expect(await keys.verify(`unknown-${at}`, MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(served.calls()).toBe(1);
    nowMs = 10_000;
    expect(await keys.verify("unknown", MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(served.calls()).toBe(2);
  });

  test("again immediately after a failed fetch", async () => {
    let answer = () => new Response("", { status: 503 });
    const keys = new GatewayKeys(BASE_URL, { fetch: async () => answer(), monotonic });
    await expect(keys.verify(RING.keyId, MESSAGE, SIGNATURE)).rejects.toBeInstanceOf(RestError);
    answer = () => Response.json(RING.jwks);
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });
});

describe("a withdrawn key", () => {
  /** A key server whose keys can change, and which can fail. */
  function keyServer(ring: KeyRing) {
    const served = { ring, fails: false, calls: 0 };
    const fetch: Fetch = async () => {
      served.calls++;
      return served.fails ? new Response("", { status: 503 }) : Response.json(served.ring.jwks);
    };
    return { served, keys: new GatewayKeys(BASE_URL, { fetch, monotonic }) };
  }

  test("is accepted for at most five minutes", async () => {
    const { served, keys } = keyServer(RING);
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

  test("is noticed by a background fetch after four minutes of use", async () => {
    const { served, keys } = keyServer(RING);
    await keys.verify(RING.keyId, MESSAGE, SIGNATURE);
    served.ring = OTHER;
    nowMs = 240_000;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
    await until(async () => (await keys.verify(RING.keyId, MESSAGE, SIGNATURE)) === "key_unknown", "the key to be withdrawn");
    expect(served.calls).toBe(2);
  });

  test("is not accepted after five minutes if the key set cannot be fetched", async () => {
    const { served, keys } = keyServer(RING);
    await keys.verify(RING.keyId, MESSAGE, SIGNATURE);
    served.fails = true;
    nowMs = 299_999;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
    nowMs = 300_000;
    await expect(keys.verify(RING.keyId, MESSAGE, SIGNATURE)).rejects.toBeInstanceOf(RestError);
    served.fails = false;
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("valid");
  });

  test("is not accepted for longer if the answer was delayed", async () => {
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

describe("with pinned keys", () => {
  test("no other published key is accepted", async () => {
    const served = serveKeys(RING, OTHER);
    const keys = new GatewayKeys(BASE_URL, { fetch: served.fetch, monotonic, pinnedKeyIds: [OTHER.keyId] });
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    expect(served.calls()).toBe(0);
    expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    expect(await keys.verify(OTHER.keyId, MESSAGE, SIGNATURE)).toBe("invalid");
  });

  test("a withdrawn pinned key is not accepted; an empty list of pins accepts no key", async () => {
    const keys = new GatewayKeys(BASE_URL, { fetch: serveKeys(OTHER).fetch, monotonic, pinnedKeyIds: [RING.keyId] });
    expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    const none = new GatewayKeys(BASE_URL, { fetch: serveKeys(OTHER).fetch, monotonic, pinnedKeyIds: [] });
    expect(await none.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("key_unknown");
  });
});

describe("a key set's key is ignored", () => {
  const [good] = RING.jwks.keys;
  const smallOrder = publicJwk(new Uint8Array([1, ...new Uint8Array(31)]));
  const cases: Record<string, Partial<PublicJwk> | { kty?: unknown; crv?: unknown; x?: unknown; kid?: unknown }> = {
    "if its kid is not its thumbprint": { kid: newKeyRing().keyId },
    "if it has no kid": { kid: undefined },
    "if its kty is not OKP": { kty: "EC" },
    "if its crv is not Ed25519": { crv: "X25519" },
    "if it is too short": { x: good?.x.slice(1) },
    "if x is not a string": { x: 7 },
    "if it has small order": smallOrder,
  };
  for (const [name, change] of Object.entries(cases)) {
    test(`${name}; the other keys of the set are used`, async () => {
      const bad = { ...good, ...change };
      const fetch: Fetch = async () => Response.json({ keys: [bad, 7, null, ...OTHER.jwks.keys] });
      const keys = new GatewayKeys(BASE_URL, { fetch, monotonic });
      const keyId = typeof bad.kid === "string" ? bad.kid : (good?.kid ?? "");
      expect(await keys.verify(keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
      expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
      expect(await keys.verify(OTHER.keyId, MESSAGE, OTHER.sign(MESSAGE))).toBe("valid");
    });
  }

  test("after the first sixteen of a set", async () => {
    const rings = Array.from({ length: 17 }, newKeyRing);
    const keys = new GatewayKeys(BASE_URL, { fetch: serveKeys(...rings).fetch, monotonic });
    const verdicts = await Promise.all(rings.map((ring) => keys.verify(ring.keyId, MESSAGE, ring.sign(MESSAGE))));
    expect(verdicts).toEqual([...Array(16).fill("valid"), "key_unknown"]);
  });
});

describe("a malformed key set has no keys", () => {
  for (const body of [{}, [], null, { keys: {} }, { keys: "" }, 7]) {
    test(JSON.stringify(body), async () => {
      const keys = new GatewayKeys(BASE_URL, { fetch: async () => Response.json(body), monotonic });
      expect(await keys.verify(RING.keyId, MESSAGE, SIGNATURE)).toBe("key_unknown");
    });
  }
});
