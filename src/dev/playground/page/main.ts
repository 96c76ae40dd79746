import { indexedDbStore } from "../../../client/index.ts";
import { fetchSetup } from "./dev-calls.ts";
import { byId, fill } from "./dom.ts";
import { messageOf } from "./message-of.ts";
import { Playground } from "./playground.ts";

const NOT_SECURE =
  "This page needs a secure context: open it over HTTPS, or as localhost. Otherwise the browser offers no cryptography.";

async function start(): Promise<void> {
  fill(byId("origin", HTMLElement), location.host);
  if (!isSecureContext) return showProblem(NOT_SECURE);
  await new Playground(indexedDbStore({ name: "sallyport-playground" }), await fetchSetup()).start();
}

function showProblem(text: string): void {
  const notice = byId("insecure", HTMLElement);
  notice.hidden = false;
  fill(notice, text);
}

start().catch((error: unknown) => showProblem(messageOf(error)));
