import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DevGateway, startDevGateway } from "../../support/cli/dev-gateway.ts";
import { codeFor, logIn } from "../../support/cli/log-in.ts";
import { Shell } from "../../support/cli/shell.ts";

/** The files with the keys: only their owner has access, and the client uses no file that somebody else could have read or written. */

let gateway: DevGateway;
let shell: Shell;
beforeAll(async () => {
  gateway = await startDevGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  shell = new Shell();
  await logIn(shell, gateway, "ada@example.com");
});
afterEach(() => shell.close());

const folder = () => join(shell.config, "profiles/default");
const file = () => join(folder(), "login.json");
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

async function refusal(): Promise<string> {
  const { code, out, err } = await shell.run("sallyport call user.profile.get");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  return err;
}

test("files have mode 600 and folders mode 700, with any umask", async () => {
  for (const umask of ["000", "022", "077"]) {
    rmSync(shell.config, { recursive: true });
    await shell.run(`umask ${umask}; sallyport login --url ${gateway.edgeUrl} --email bob@example.com`);
    const done = await shell.run(
      `umask ${umask}; sallyport login --code ${await codeFor(gateway.backendUrl, "bob@example.com")}`,
    );
    expect(done.err).toBe("");
    expect([file(), folder(), shell.config].map(modeOf)).toEqual(["600", "700", "700"]);
  }
});

test.each(["640", "604", "620", "602", "610", "644", "666"])("a key file of mode %s is refused", async (mode) => {
  chmodSync(file(), Number.parseInt(mode, 8));
  expect(await refusal()).toContain("run: chmod 600 ");
  chmodSync(file(), 0o600);
  expect((await shell.run("sallyport call user.profile.get")).code).toBe(0);
});

test.each(["750", "705", "777"])("a key folder of mode %s is refused", async (mode) => {
  chmodSync(folder(), Number.parseInt(mode, 8));
  expect(await refusal()).toContain("run: chmod 700 ");
});

test("a symbolic link, a folder and a FIFO in place of the key file are refused", async () => {
  renameSync(file(), join(shell.folder, "elsewhere.json"));
  symlinkSync(join(shell.folder, "elsewhere.json"), file());
  expect(await refusal()).toContain("is a symbolic link");
  rmSync(file());
  mkdirSync(file(), { mode: 0o700 });
  expect(await refusal()).toContain("is not a regular file");
  rmSync(file(), { recursive: true });
  await shell.run(`mkfifo -m 600 '${file()}'`);
  expect(await refusal()).toContain("is not a regular file");
});

test.skipIf(process.getuid?.() !== 0)("a key file of another user is refused (skipped if not root)", async () => {
  chownSync(file(), 12_345, 12_345);
  expect(await refusal()).toContain("belongs to another user");
});

test.each([
  "",
  "{",
  "[]",
  "{}",
  '{"url":"http://x","device_session_id":"a b","key":{}}',
  `{"url":"http://x","device_session_id":"abc","key":{"kty":"OKP"}}`,
])("a damaged key file is refused: %s", async (text) => {
  writeFileSync(file(), text, { mode: 0o600 });
  expect(await refusal()).toContain("is damaged; delete it and log in again");
  await expectLogout("is damaged");
});

test("logout deletes a key file that others can read, and a symbolic link in its place but not its target", async () => {
  chmodSync(file(), 0o644);
  await expectLogout("other users have access to ");
  const target = join(shell.folder, "elsewhere.json");
  writeFileSync(target, "{}", { mode: 0o600 });
  symlinkSync(target, file());
  await expectLogout("is a symbolic link");
  expect(existsSync(target)).toBe(true);
});

/** Runs `logout` with a key file that cannot be used. */
async function expectLogout(problem: string): Promise<void> {
  const { code, out, err } = await shell.run("sallyport logout");
  expect({ code, out }).toEqual({ code: 0, out: '{"profile":"default","device_session_id":null,"key":"deleted"}\n' });
  expect(err).toContain(problem);
  expect(existsSync(file())).toBe(false);
  expect((await shell.run("sallyport whoami")).code).toBe(4);
}

test("a code is not used up if the session cannot be stored", async () => {
  const email = "cyd@example.com";
  await shell.run(`sallyport login --url ${gateway.edgeUrl} --email ${email}`);
  const code = await codeFor(gateway.backendUrl, email);
  chmodSync(folder(), 0o755);
  expect((await shell.run(`sallyport login --code ${code}`)).code).toBe(1);
  chmodSync(folder(), 0o700);
  // No file may grow, as on a full disk.
  const { code: exitCode, err } = await shell.run(`trap '' XFSZ; ulimit -f 0; sallyport login --code ${code}`);
  expect({ exitCode, err }).toMatchObject({ exitCode: 1, err: expect.stringContaining("cannot be used") });
  expect((await shell.run(`sallyport login --code ${code}`)).code).toBe(0);
});

test("the private key is in no other file, and in no output of any command", async () => {
  const { key } = await Bun.file(file()).json();
  const commands = ["call user.profile.get --verbose", "whoami --verbose", "logout --verbose"];
  for (const command of commands) {
    const { out, err } = await shell.run(`sallyport ${command}`);
    expect(out + err).not.toContain(key.d);
  }
  expect((await shell.run(`grep -r -l -e '${key.d}' "$HOME"`)).out).toBe("");
});

test("XDG_CONFIG_HOME moves the folder, and is ignored if it is relative", async () => {
  const moved = join(shell.folder, "xdg");
  expect((await shell.run("sallyport whoami --offline", { env: { XDG_CONFIG_HOME: moved } })).code).toBe(4);
  await shell.run(`sallyport login --url ${gateway.edgeUrl} --email dan@example.com`, { env: { XDG_CONFIG_HOME: moved } });
  expect(modeOf(join(moved, "sallyport/profiles/default/pending-login.json"))).toBe("600");
  expect((await shell.run("sallyport whoami --offline", { env: { XDG_CONFIG_HOME: "relative" } })).code).toBe(0);
});
