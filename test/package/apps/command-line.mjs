import { generateExportableDeviceKey } from "sallyport-client";
import { fileStore } from "sallyport-client/node";
import { finishLogin, startLogin, useSession } from "./session.js";

/** node command-line.mjs EDGE_URL BACKEND_URL: logs in, keeps the credentials in a file, and uses them from there. */

const [, , baseUrl, backendUrl] = process.argv;
const challengeId = await startLogin(baseUrl, `${process.release.name}-${process.pid}@example.com`);
const outbox = await (await fetch(`${backendUrl}/dev/outbox`)).json();
const { code } = outbox.find((mail) => mail.challenge_id === challengeId);
const store = fileStore("state/session.json");
await store.save(await finishLogin(baseUrl, challengeId, code, await generateExportableDeviceKey()));
console.log(JSON.stringify(await useSession(baseUrl, await store.load())));
