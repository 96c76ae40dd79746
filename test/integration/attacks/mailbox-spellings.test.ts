import { expect, test } from "bun:test";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { openWorld } from "../../support/world.ts";

const BURST = 3;
const ACCENTS = [
  "\u00e9",
  "e\u0301",
  "e\u034f\u0301",
  "e\u034f\u034f\u0301",
  "e\ufe0f\u0301",
  "e",
  "E\u0300",
  "\uff45\u3164\u0301",
];
const DOMAINS = ["stra\u00dfe.example", "strasse.example", "xn--strae-oqa.example", "STRASSE\u3002example", "strasse.example."];

test.each(LOGIN_PATHS)(
  "$rows: forty spellings of one mailbox share its budget, and the backend gets each address as it was sent",
  async ({ SEND }) => {
    const world = await openWorld({ "budgets.send_code.rate": 0.001, "budgets.send_code.burst": BURST });
    const sent: string[] = [];
    world.faults.on(SEND, async (request) => {
      const { email }: { email: string } = await request.json();
      sent.push(email);
      return Response.json({ challenge_id: "c-1" });
    });
    const spellings = ACCENTS.flatMap((accent) => DOMAINS.map((domain) => `ren${accent}@${domain}`));
    const statuses: number[] = [];
    for (const email of spellings) {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${world.gateway.edgeUrl}${SEND}`, {
        method: "POST",
        headers,
        body: JSON.stringify({ email }),
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual(spellings.map((_, at) => (at < BURST ? 200 : 429)));
    expect(sent).toEqual(spellings.slice(0, BURST));
    await world.close();
  },
);
