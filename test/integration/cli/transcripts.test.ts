import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DevGateway, startDevGateway } from "../../support/cli/dev-gateway.ts";
import { logIn } from "../../support/cli/log-in.ts";
import { Transcript } from "../../support/cli/transcript.ts";

/**
 * Each command of the client as a new user runs it, with its whole output, against `sallyport dev`. The transcripts are in
 * `transcripts/`. After a wanted change: `UPDATE_TRANSCRIPTS=1 bun test test/integration/cli/transcripts.test.ts`.
 */

let gateway: DevGateway;
beforeAll(async () => {
  gateway = await startDevGateway();
});
afterAll(() => gateway.stop());

const WAIT_MS = 60_000;

function scene(name: string, play: (transcript: Transcript) => Promise<void>): void {
  const run = async () => {
    const transcript = new Transcript(name, gateway);
    await play(transcript);
    const { recorded, expected } = transcript.finish();
    expect(recorded).toBe(expected);
  };
  test(`transcript: ${name}`, run, WAIT_MS);
}

/** Logs in without recording it. */
function loggedIn({ shell }: Transcript, email: string): Promise<string> {
  return logIn(shell, gateway, email);
}

scene("help", async (transcript) => {
  await transcript.run("sallyport");
  await transcript.run("sallyport help");
  await transcript.run("sallyport help nope");
  await transcript.run("sallyport logn 2>&1 | head -n 1");
  for (const command of ["login", "call", "listen", "whoami", "logout", "completion", "config", "routes"]) {
    await transcript.run(`sallyport ${command} --help`);
  }
});

scene("first steps", async (transcript) => {
  const { edgeUrl, backendUrl } = gateway;
  await transcript.run(`sallyport login --url ${edgeUrl} --email cli@example.com`);
  await transcript.run(`curl -s ${backendUrl}/dev/outbox | sed 's/.*"code":"//; s/".*//' | sallyport login --code-from-stdin`);
  await transcript.run(`sallyport call user.profile.update '{"display_name":"Ada"}'`);
  const event = `'{"device_session_id":"'$session'","event_type":"greeting.said","payload":{"text":"hello"}}'`;
  const session = `session=$(sallyport whoami --offline | sed 's/.*device_session_id":"//; s/".*//')`;
  const push = `curl -s ${backendUrl}/dev/push -H 'content-type: application/json' \\\n    -d ${event}; echo`;
  await transcript.run(`${session}\n${push}`);
});

scene("login as a guest", async (transcript) => {
  const url = gateway.edgeUrl;
  await transcript.run(`sallyport login --url ${url} --guest --profile visitor`);
  await transcript.run("sallyport call user.profile.get --profile visitor | sed 's/guest-[0-9a-f-]*/guest-…/g'");
  transcript.comment("Mistakes: options of other logins, fields that are no object, a call that the gateway does not have.");
  await transcript.run("sallyport login --guest --email ada@example.com");
  await transcript.run("sallyport login --guest --fields '[1]'");
  await transcript.run("sallyport login --fields '{}'");
  await transcript.run("sallyport login --path //evil.example/x");
  await transcript.run(`sallyport login --url ${url} --path /v2/oidc --fields '{"code":"c"}'`);
});

scene("login in a script", async (transcript) => {
  const url = gateway.edgeUrl;
  await transcript.run(`sallyport login --url ${url} --email ada@example.com`);
  await transcript.run("sallyport login --code $CODE", { env: { CODE: await gateway.codeFor("ada@example.com") } });
  transcript.comment("The challenge is named, the code comes from standard input, the key is ES256.");
  const { out } = await transcript.run(
    `sallyport login --url ${url} --email bob@example.com --profile bob --metadata device=laptop`,
  );
  const env = { CODE: await gateway.codeFor("bob@example.com"), CHALLENGE: JSON.parse(out).challenge_id };
  const options = `--url ${url} --challenge $CHALLENGE --code-from-stdin --key-algorithm ES256 --profile bob`;
  await transcript.run(`echo $CODE | sallyport login ${options}`, { env });
  await transcript.run("sallyport call user.profile.get --profile bob");
  await transcript.run("SALLYPORT_PROFILE=bob sallyport whoami --offline");
  transcript.comment("In one step: the code is read after it was sent.");
  const readCode = `#!/bin/sh
until curl -s ${gateway.backendUrl}/dev/outbox | tr '{' '\\n' | grep cyd@ | sed 's/.*"code":"//; s/".*//' | grep .; do sleep 0.1; done
`;
  writeFileSync(join(transcript.shell.folder, "read-code-from-mailbox"), readCode, { mode: 0o755 });
  await transcript.run(
    `read-code-from-mailbox | sallyport login --url ${url} --email cyd@example.com --code-from-stdin --profile cyd`,
  );
  transcript.comment("The files.");
  await transcript.run("cd ~/.config/sallyport && find . -printf '%M %p\\n' | sort -k 2");
});

scene("login mistakes", async (transcript) => {
  const url = gateway.edgeUrl;
  await transcript.run("sallyport login");
  await transcript.run("sallyport login --code 123456");
  await transcript.run("sallyport login --challenge abc");
  await transcript.run("sallyport login --email ada@example.com --code 1");
  await transcript.run("sallyport login --email");
  await transcript.run("sallyport login --emial ada@example.com");
  await transcript.run("sallyport login ada@example.com");
  await transcript.run("sallyport login --email a@b.example --email c@d.example");
  await transcript.run("sallyport login --email ada@example.com --url gateway.example");
  await transcript.run("sallyport login --email ada@example.com --url https://gateway.example/path");
  await transcript.run("sallyport login --email ada@example.com --metadata laptop");
  await transcript.run("sallyport login --email ada@example.com --key-algorithm RS256");
  await transcript.run("sallyport login --email ada@example.com --profile ../other");
  await transcript.run(`sallyport login --url ${url} --email ada`);
  await transcript.run(`sallyport login --url ${url} --email ada@example.com`);
  await transcript.run("sallyport login --code 000000");
  await transcript.run("sallyport login --code-from-stdin < /dev/null");
});

scene("login at a terminal", async (transcript) => {
  await transcript.atTerminal(
    `sallyport login --url ${gateway.edgeUrl}`,
    async (terminal) => {
      await terminal.expect("E-mail address: ");
      terminal.type("eve@example.com\r");
      await terminal.expect("Code: ");
      terminal.type("wrong\r");
      await terminal.expect("Code: ");
      terminal.type(`${await gateway.codeFor("eve@example.com")}\r`);
    },
    { env: { NO_COLOR: "1" } },
  );
  await transcript.atTerminal("sallyport whoami");
  await transcript.atTerminal("sallyport login --email eve@example.com", async (terminal) => {
    await terminal.expect("Code: ");
    terminal.type("\x04");
  });
  await transcript.atTerminal("sallyport login --email eve@example.com", async (terminal) => {
    await terminal.expect("Code: ");
    terminal.type("\x03");
  });
});

scene("call", async (transcript) => {
  await loggedIn(transcript, "fay@example.com");
  await transcript.run("sallyport call user.profile.get");
  await transcript.run(`sallyport call user.profile.update '{"display_name":"Ada"}'`);
  writeFileSync(join(transcript.shell.folder, "profile.json"), '{ "display_name": "Ada Lovelace" }\n');
  await transcript.run("sallyport call user.profile.update @profile.json");
  const hello = `{"room_id":"lobby","text":"Hello"}`;
  await transcript.run(`echo '${hello}' | sallyport call chat.message.send - --idempotency-key hello-0001 --timeout 5s --full`);
  await transcript.run("sallyport call user.profile.get --raw | wc -l");
  await transcript.run("sallyport call user.profile.get --verbose");
  transcript.comment("A business error is an answer.");
  await transcript.run(`sallyport call user.profile.update '{"display_name":""}'`);
});

scene("call mistakes", async (transcript) => {
  await transcript.run("sallyport call user.profile.get");
  await loggedIn(transcript, "gil@example.com");
  await transcript.run("sallyport call");
  await transcript.run("sallyport call profile");
  await transcript.run("sallyport call gateway.subscribe");
  await transcript.run("sallyport call user.profile.update '{\"display_name\":'");
  await transcript.run(`sallyport call user.profile.update '{"a":1,"a":2}'`);
  await transcript.run("sallyport call user.profile.update ''");
  await transcript.run("sallyport call user.profile.update @none.json");
  await transcript.run("sallyport call user.profile.update @/");
  await transcript.run("sallyport call user.profile.update - < /dev/null");
  await transcript.run("sallyport call user.profile.update '{}' '{}'");
  await transcript.run("sallyport call user.profile.get --timeout soon");
  await transcript.run("sallyport call user.profile.get --idempotency-key short");
  await transcript.run("sallyport call user.profile.get --raw=yes");
  await transcript.run("sallyport call user.profile.drop");
  await transcript.run("sallyport call user.profile.update '[]'");
  transcript.comment("A payload that is larger than the gateway accepts.");
  await transcript.run(
    `(printf '"'; head -c 300000 /dev/zero | tr '\\0' x; printf '"') | sallyport call user.profile.update -`,
  );
});

scene("call at a terminal", async (transcript) => {
  await loggedIn(transcript, "hal@example.com");
  await transcript.atTerminal("sallyport call user.profile.get");
  await transcript.atTerminal("sallyport call user.profile.get", undefined, { env: { NO_COLOR: "1" } });
  await transcript.atTerminal(`sallyport call user.profile.update '{"display_name":"\\u001b[31mred\\u202e"}' --full`);
  await transcript.atTerminal(`sallyport call user.profile.update '{"display_name":""}'`);
  await transcript.atTerminal("sallyport call user.profile.get | cat");
});

/** Sends an event until the command has ended, because the moment at which it listens is not visible in a script. */
async function pushUntilEnd(ended: Promise<unknown>, sessionId: string): Promise<void> {
  let isOver = false;
  ended.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await gateway.post("/dev/push", { device_session_id: sessionId, event_type: "greeting.said", payload: { text: "hello" } });
    await Bun.sleep(100);
  }
}

scene("listen", async (transcript) => {
  const sessionId = await loggedIn(transcript, "kim@example.com");
  const one = transcript.run("sallyport listen --count 1 --timeout 30s");
  await pushUntilEnd(one, sessionId);
  const eventId = JSON.parse((await one).out).event_id;
  transcript.comment("Two events that were sent after the first one.");
  await gateway.post("/dev/push", { device_session_id: sessionId, event_type: "greeting.said", payload: "second" });
  await gateway.post("/dev/push", { device_session_id: sessionId, event_type: "greeting.ended", payload: undefined });
  const options = "--types greeting.ended --count 1 --timeout 30s";
  await transcript.run(`sallyport listen --resume-after $LAST ${options}`, { env: { LAST: eventId } });
  transcript.comment("Events that the gateway cannot find.");
  await transcript.run("sallyport listen --resume-after unknown-event --count 1 --timeout 30s");
  transcript.comment("Nothing happens.");
  await transcript.run("sallyport listen --types no.such --count 1 --timeout 1s");
  await transcript.run("sallyport listen --types no.such --timeout 1s");
  transcript.comment("Mistakes.");
  await transcript.run("sallyport listen --count 0");
  await transcript.run("sallyport listen --types 'Chat Message'");
  await transcript.run("sallyport listen --resume-after 'a b'");
  await transcript.run("sallyport listen --url http://127.0.0.1:1");
});

scene("listen at a terminal", async (transcript) => {
  const sessionId = await loggedIn(transcript, "lea@example.com");
  await transcript.atTerminal("sallyport listen", async (terminal) => {
    await terminal.expect("listening at");
    await gateway.post("/dev/push", {
      device_session_id: sessionId,
      event_type: "greeting.said",
      payload: { text: "\u001b[2J\u202ehello" },
    });
    await terminal.expect("hello");
    await gateway.post("/dev/push", { device_session_id: sessionId, event_type: "greeting.ended", payload: undefined });
    await terminal.expect("greeting.ended");
    await terminal.expect("null");
    terminal.type("\x03");
  });
});

scene("whoami and logout", async (transcript) => {
  await transcript.run("sallyport whoami");
  await loggedIn(transcript, "ivy@example.com");
  await transcript.run("sallyport whoami");
  await transcript.run("sallyport whoami --offline");
  await transcript.run("sallyport whoami --verbose > /dev/null");
  await transcript.run("sallyport logout");
  await transcript.run("sallyport logout");
  await transcript.run("sallyport whoami");
  await transcript.run("find ~/.config/sallyport -type f");
});

scene("failures", async (transcript) => {
  const sessionId = await loggedIn(transcript, "joy@example.com");
  transcript.comment("Nothing listens at the URL. Another server listens at the URL.");
  await transcript.run("sallyport call user.profile.get --url http://127.0.0.1:1");
  await transcript.run("sallyport whoami --url http://127.0.0.1:1");
  await transcript.run("sallyport login --email joy@example.com --url http://127.0.0.1:1");
  await transcript.run(`sallyport call user.profile.get --url ${gateway.backendUrl}`);
  await transcript.run(`sallyport whoami --url ${gateway.backendUrl}`);
  await transcript.run(`sallyport login --email joy@example.com --url ${gateway.backendUrl}`);
  transcript.comment("Other users can read the key.");
  const file = join(transcript.shell.config, "profiles/default/login.json");
  chmodSync(file, 0o644);
  await transcript.run("sallyport call user.profile.get");
  chmodSync(file, 0o600);
  chmodSync(join(transcript.shell.config, "profiles/default"), 0o755);
  await transcript.run("sallyport whoami");
  chmodSync(join(transcript.shell.config, "profiles/default"), 0o700);
  transcript.comment("The backend has revoked the session.");
  await gateway.post("/dev/revoke", { device_session_id: sessionId });
  await transcript.run("sallyport call user.profile.get");
  await transcript.run("sallyport whoami");
  transcript.comment("The file is damaged.");
  writeFileSync(file, "{}");
  await transcript.run("sallyport whoami");
});
