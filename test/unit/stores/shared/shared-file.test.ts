import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSharedFileStores, sharedFileTables } from "../../../../src/stores/shared/open.ts";
import { isForeignSharedFile, openSharedFile } from "../../../../src/stores/shared/shared-file.ts";
import { SHARED_SETTINGS } from "../../../contract/support/shared-settings.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { FILE_LOCKS } from "../../../support/shared-stores.ts";
import { SILENT_LOG } from "../../../support/silent-log.ts";
import { until } from "../../../support/until.ts";

/** Which file the processes of a host use, and which file a starting process may replace. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: shared files need Linux";

let folder: string;
let path: string;
const fds: number[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-shared-"));
  path = join(folder, "tables");
});
afterEach(() => {
  for (const fd of fds.splice(0)) closeSync(fd);
  rmSync(folder, { recursive: true });
});

const settingNames = { file: "the.setting", sizes: "the.size" };
const SMALL = sharedFileTables(SHARED_SETTINGS);
const LARGE = sharedFileTables({ ...SHARED_SETTINGS, replayEntriesMax: 20_000 });

function open(tables: readonly number[] = SMALL, nowMs = 1) {
  const file = openSharedFile({ path, tables, nowMs, settingNames, locks: FILE_LOCKS, log: SILENT_LOG });
  fds.push(file.fd);
  return file;
}

function close(): void {
  for (const fd of fds.splice(0)) closeSync(fd);
}

/** Changes the header of the file, as another boot, version or PID namespace would have written it. */
function rewriteHeader(change: (header: string) => string): void {
  const bytes = readFileSync(path);
  const header = bytes.subarray(0, bytes.indexOf(0)).toString();
  const page = Buffer.alloc(4096);
  page.write(change(header));
  writeFileSync(path, Buffer.concat([page, bytes.subarray(4096)]));
}

const ofAnotherNamespace = () => rewriteHeader((header) => header.replace(/pid:\[\d+\]/, "pid:[1]"));

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a shared file", () => {
  test.each([
    ["a signing key", "k2oMuG6lfvn4V9Pa1svr6eXlnh2h3Fhkj0uB8rZmPEE\n"],
    ["JSON", '{"magic":"other"}'],
    ["zeros", "\0".repeat(5000)],
  ])("that is another file is set aside, and its contents are kept: %s", (_, text) => {
    writeFileSync(path, text, { mode: 0o600 });
    expect(isForeignSharedFile(path)).toBe(true);
    expect(open().isNew).toBe(true);
    expect(isForeignSharedFile(path)).toBe(false);
    expect(readFileSync(`${path}.foreign`, "utf8")).toBe(text);
  });

  test("that another program has locked is not set aside", () => {
    writeFileSync(path, "precious", { mode: 0o600 });
    const fd = openSync(path, "r");
    fds.push(fd);
    FILE_LOCKS.tryShared(fd);
    expect(() => open()).toThrow(`the.setting ${path}: another program has locked it; choose another path`);
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("may be empty at first, or a file of sallyport of another boot or version, and no other file is left", () => {
    const changes = [/sallyport-shared-\d+/, /"bootId":"[^"]*/].map((part) => () => {
      rewriteHeader((header) => header.replace(part, (found) => found.slice(0, -1)));
    });
    for (const prepare of [() => writeFileSync(path, "", { mode: 0o600 }), ...changes, () => truncateSync(path, 9999)]) {
      prepare();
      expect(isForeignSharedFile(path)).toBe(false);
      expect(open(SMALL, 7)).toMatchObject({ isNew: true, createdMs: 7 });
      close();
    }
    expect(open(SMALL, 8)).toMatchObject({ isNew: false, createdMs: 7 });
    expect(Array.from(new Bun.Glob("*").scanSync({ cwd: folder, dot: true }))).toEqual(["tables"]);
  });

  test("whose creation was interrupted is created again", () => {
    writeFileSync(path, '{"magic":"sallyport-shared-2"}'.padEnd(100_000, "\0"), { mode: 0o600 });
    expect(open()).toMatchObject({ isNew: true });
  });

  test("is not replaced while another process uses it, not even one that inherited it; afterwards it is", async () => {
    const { fd } = open();
    const before = statSync(path).ino;
    expect(() => open(LARGE)).toThrow(
      /the\.setting .*another process uses it, and for this process it has other sizes; stop it, or choose another path \(a change of the\.size changes the sizes\)/,
    );
    const heir = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore", fd] });
    close();
    expect(() => open(LARGE)).toThrow("another process uses it");
    expect([open().isNew, statSync(path).ino]).toEqual([false, before]);
    close();
    heir.kill("SIGKILL");
    await heir.exited;
    expect(open(LARGE).isNew).toBe(true);
  });

  test("is one file for all processes that start at once with the file of another boot", async () => {
    open();
    close();
    rewriteHeader((header) => header.replace(/"bootId":"[^"]*/, '"bootId":"before'));
    const source = `
      import { openSharedFile } from ${JSON.stringify(join(import.meta.dir, "../../../../src/stores/shared/shared-file.ts"))};
      import { FILE_LOCKS } from ${JSON.stringify(join(import.meta.dir, "../../../support/shared-stores.ts"))};
      while (Date.now() < Number(process.argv[1])) {}
      const { fd, isNew, createdMs } = openSharedFile({
        path: ${JSON.stringify(path)}, tables: ${JSON.stringify(SMALL)}, nowMs: process.pid, settingNames: ${JSON.stringify(settingNames)}, locks: FILE_LOCKS,
      });
      console.log(JSON.stringify({ isNew, createdMs }));
      process.stdin.resume();
    `;
    const startMs = String(Date.now() + 1500);
    const started = Array.from({ length: 6 }, () =>
      Bun.spawn([process.execPath, "-e", source, startMs], { stdin: "pipe", stdout: "pipe" }),
    );
    const outputs = started.map(() => "");
    for (const [at, { stdout }] of started.entries()) {
      void (async () => {
        for await (const chunk of stdout) outputs[at] += Buffer.from(chunk).toString();
      })();
    }
    await until(() => outputs.every((text) => text.includes("\n")), "all processes to open the file", 30_000);
    const opened: { isNew: boolean; createdMs: number }[] = outputs.map((text) => JSON.parse(text));
    expect(opened.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(new Set(opened.map(({ createdMs }) => createdMs)).size).toBe(1);
    for (const child of started) child.kill("SIGKILL");
    await Promise.all(started.map(({ exited }) => exited));
  }, 60_000);

  test("may be replaced once more after a long wait for its lock", () => {
    let attempts = 0;
    const tryShared = (fd: number) => {
      if (++attempts < 120) return false;
      if (attempts === 120) rmSync(path);
      return FILE_LOCKS.tryShared(fd);
    };
    const file = openSharedFile({
      path,
      tables: SMALL,
      nowMs: 1,
      settingNames,
      locks: { ...FILE_LOCKS, tryShared },
      log: SILENT_LOG,
    });
    fds.push(file.fd);
    expect(file.isNew).toBe(true);
  });

  test("without its folder is a problem that names the setting and the folder", () => {
    path = join(folder, "missing/tables");
    expect(() => open()).toThrow(`the.setting ${path}: its folder ${folder}/missing does not exist; create it`);
  });
});

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a shared file of another PID namespace", () => {
  test("is refused while a process of that namespace uses it", () => {
    open();
    ofAnotherNamespace();
    expect(() => open()).toThrow(/a process in another PID namespace, such as another container, uses it/);
  });

  test("is used if no process uses it: no reservation is forgotten, and nothing stays counted", async () => {
    const clock = new ManualClock();
    const first = openSharedFileStores({ ...SHARED_SETTINGS, file: open(SMALL, 5).fd }, clock);
    const expiresAtMs = clock.now() + 60_000;
    expect(await first.replay.reserve("session", "request", expiresAtMs)).toBe(true);
    expect(first.heldConnections.tryAdd("network", 8, 8)).toBe(true);
    close();
    ofAnotherNamespace();
    const file = open();
    expect(file).toMatchObject({ isNew: false, createdMs: 5 });
    const second = openSharedFileStores({ ...SHARED_SETTINGS, file: file.fd }, clock);
    expect(await second.replay.reserve("session", "request", expiresAtMs)).toBe(false);
    expect(second.heldConnections.tryAdd("network", 8, 8)).toBe(true);
  });
});
