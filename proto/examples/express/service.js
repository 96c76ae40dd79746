// Orders of guests, in memory.
import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import express from "express";

const backendToken = readFileSync("backend.token", "utf8").trim();
const pushToken = readFileSync("push.token", "utf8").trim();

const sessions = new Map();
const orders = new Map();
/** Order ids by session and idempotency key: a repeated command must not order twice. */
const ordered = new Map();

const sha256 = (text) => createHash("sha256").update(text).digest();

/** The headers with the user are trusted, so no other client may call the service. */
function onlyTheGateway(request, response, next) {
  const given = sha256(request.get("authorization") ?? "");
  if (timingSafeEqual(given, sha256(`Bearer ${backendToken}`))) return next();
  response.status(401).set("WWW-Authenticate", "Bearer").json({ code: "unauthenticated" });
}

/** Tells all devices of the user. A repeat with the same event_id is published once. */
async function publish(event) {
  const response = await fetch("http://127.0.0.1:8085/publish", {
    method: "POST",
    headers: { authorization: `Bearer ${pushToken}`, "content-type": "application/json" },
    body: JSON.stringify(event),
    signal: AbortSignal.timeout(5000),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

const app = express();
app.disable("x-powered-by");
app.use(onlyTheGateway, express.json());

app.post("/guests", (request, response) => {
  const { client_public_key, client_key_algorithm = "EdDSA" } = request.body;
  const session = { device_session_id: randomUUID(), user_id: `guest-${randomUUID()}`, status: "active" };
  sessions.set(session.device_session_id, { ...session, client_public_key, client_key_algorithm });
  response.status(201).json({ device_session_id: session.device_session_id });
});

app.get("/internal/sessions/:id", (request, response) => {
  const session = sessions.get(request.params.id);
  if (session === undefined) return response.status(404).json({ code: "session_unknown" });
  response.json(session);
});

app.get("/shop/orders", (request, response) => {
  const mine = [...orders.values()].filter(({ owner }) => owner === request.get("x-user-id"));
  const wanted = mine.filter(({ status }) => request.query.status === undefined || status === request.query.status);
  response.json(wanted.map(({ owner, ...order }) => order));
});

app.post("/shop/orders", (request, response) => {
  const { item } = request.body ?? {};
  if (typeof item !== "string" || item === "") return response.status(422).json({ code: "item_missing" });
  const key = JSON.stringify([request.get("x-device-session-id"), request.get("idempotency-key")]);
  const id = ordered.get(key) ?? randomUUID();
  if (!ordered.has(key)) orders.set(id, { id, item, status: "open", owner: request.get("x-user-id") });
  ordered.set(key, id);
  response.status(201).json({ id });
});

app.get("/shop/orders/:id/receipt", (request, response) => {
  const order = orders.get(request.params.id);
  if (order?.owner !== request.get("x-user-id")) return response.status(404).json({ code: "order_unknown" });
  response.type("text/plain").send(`1 x ${order.item}, ${order.status}\n`);
});

app.post("/shop/orders/:id/payment", async (request, response) => {
  const order = orders.get(request.params.id);
  if (order?.owner !== request.get("x-user-id")) return response.status(404).json({ code: "order_unknown" });
  order.status = "paid";
  const payload = { id: order.id, item: order.item };
  await publish({ user_id: order.owner, event_type: "order.paid", event_id: `${order.id}-paid`, payload });
  response.json({ id: order.id, status: order.status });
});

const server = app.listen(9000, "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
