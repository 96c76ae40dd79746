import { afterEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileOperations, fileOperations } from "../../../../src/backend/publish/event-file.ts";
import { FileEventLog } from "../../../../src/backend/publish/file-event-log.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { RecordingLog } from "../support/recorders.ts";

/**
 * Damaged files and failed writes of the log of the private listener. A client that resumes gets every later event, in order, or its
 * position is unknown, so it gets a resync.
 */

const SUFFIXES = ["", ".1", ".lock", ".next"];
/** The two files hold about four events each. */
const BYTES_MAX = 900;

let opened = new DisposableStack();
afterEach(() => opened.dispose());

function fixture() {
  opened = new DisposableStack();
  // A folder in memory, because thousands of fsync calls on a disk take a minute.
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "sallyport-damage-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  return { path: join(folder, "log"), other: join(folder, "copy"), clock: new ManualClock() };
}

function open(path: string, clock: ManualClock, files: FileOperations = fileOperations) {
  const lines = new RecordingLog();
  const options = { path, bytesMax: BYTES_MAX, sync: "always", ageMs: 60_000, tryLock: () => true, clock, files } as const;
  return { log: new FileEventLog({ ...options, log: lines }), lines };
}

const eventOf = (n: number) => {
  const event = { userId: "u", deviceSessionId: "", eventType: "a.b", eventId: `e-${n}`, payloadBytes: new Uint8Array(3) };
  return { event, cursor: `c.${n}` };
};

/** Copies the files as a kill leaves them, or as an orderly end leaves them. */
function copyFiles(from: string, to: string): void {
  for (const suffix of SUFFIXES) {
    rmSync(to + suffix, { force: true });
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
  }
}

/**
 * Loads the log. Returns the wrong resumptions: of a client that got each of the published events, in turn, and then gets other
 * events than the ones published after it. `resumable`: the events from which a client can resume. `isRefused`: events that may or
 * may not come.
 */
async function resumeAll(
  path: string,
  clock: ManualClock,
  published: readonly number[],
  isRefused = (_cursor: string | undefined) => false,
) {
  const { log, lines } = open(path, clock);
  const { before, older, events } = log.takeLoaded();
  await log.close();
  const cursors = [before, ...events.map(({ cursor }) => cursor)];
  const wrong: string[] = [];
  const resumable = published.filter((n, index) => {
    const at = cursors.indexOf(`c.${n}`);
    const expected = published.slice(index + 1).map((each) => `c.${each}`);
    const received = cursors.slice(at + 1).filter((cursor) => !isRefused(cursor));
    if (at >= 0 && received.join() !== expected.join()) wrong.push(`after ${n}: ${received}`);
    return at >= 0;
  });
  const ids = new Set([...older, ...events.map(({ event }) => event)].map(({ eventId }) => Number(eventId.slice(2))));
  return { wrong, resumable, ids, lines: lines.lines, loaded: events.map(({ cursor }) => Number(cursor.slice(2))) };
}

/** Writes ten events, which fill both files. Returns a function that damages a copy of the files and checks it. */
async function tenEvents(isKilled: boolean) {
  const { path, other, clock } = fixture();
  const { log } = open(path, clock);
  const published = Array.from({ length: 10 }, (_, n) => n + 1);
  for (const n of published) await log.append([eventOf(n)]);
  if (!isKilled) await log.close();
  opened.defer(() => void log.close());
  const check = async (damage: (copy: string) => void) => {
    copyFiles(path, other);
    damage(other);
    const first = await resumeAll(other, clock, published);
    const next = open(other, clock);
    for (const n of [11, 12]) await next.log.append([eventOf(n)]);
    await next.log.close();
    const second = await resumeAll(other, clock, [...published, 11, 12]);
    const wrong = [...first.wrong, ...second.wrong.map((each) => `later ${each}`)];
    if (!second.resumable.includes(12)) wrong.push("no resumption after 12");
    return { wrong, first, second };
  };
  return { path, check, published };
}

const DAMAGES: Readonly<Record<string, (byte: number) => number>> = {
  "a flipped bit": (byte) => byte ^ 1,
  "a newline": (byte) => (byte === 0x0a ? 0x20 : 0x0a),
  "a byte that is not ASCII": (byte) => byte | 0x80,
};

describe.each([
  ["an orderly end", false],
  ["a kill", true],
])("after %s", (_, isKilled) => {
  test("undamaged files: clients resume from every stored event", async () => {
    const { check } = await tenEvents(isKilled);
    const { wrong, first, second } = await check(() => {});
    expect([wrong, first.lines, second.lines]).toEqual([[], [], []]);
    expect(first.resumable.length).toBeGreaterThan(4);
    expect(first.loaded.at(-1)).toBe(10);
  });

  test.each(Object.keys(DAMAGES))(
    "%s at each place of both files: no client resumes with a hole, and the other ids are remembered",
    async (kind) => {
      const { path, check } = await tenEvents(isKilled);
      const unharmed = (await check(() => {})).first;
      for (const suffix of ["", ".1"]) {
        for (let at = 0; at < readFileSync(path + suffix).byteLength; at++) {
          const { wrong, first } = await check((copy) => {
            const bytes = readFileSync(copy + suffix);
            bytes[at] = DAMAGES[kind]?.(bytes[at] ?? 0) ?? 0;
            writeFileSync(copy + suffix, bytes);
          });
          expect([suffix, at, wrong]).toEqual([suffix, at, []]);
          // A damaged newline damages the lines before and after it.
          expect(unharmed.ids.difference(first.ids).size).toBeLessThanOrEqual(2);
          if (first.resumable.length < unharmed.resumable.length) expect(first.lines.join()).toContain("push log file damaged");
        }
      }
    },
    60_000,
  );

  test("a missing file, a missing line, or a file without a whole line: no client resumes with a hole", async () => {
    const { path, check } = await tenEvents(isKilled);
    for (const suffix of ["", ".1"]) {
      const lines = readFileSync(path + suffix, "latin1").split(/(?<=\n)/);
      // After a kill, a last line that is missing is the same as a line that was never written.
      const removable = lines.slice(0, isKilled && suffix === "" ? -1 : lines.length);
      const contents = [
        "",
        "00000000 notes\n",
        "00000000 notes",
        "\0\0",
        ...removable.map((_, at) => lines.toSpliced(at, 1).join("")),
      ];
      for (const text of contents) {
        const { wrong } = await check((copy) => writeFileSync(copy + suffix, text));
        expect([suffix, text, wrong]).toEqual([suffix, text, []]);
      }
      const { wrong } = await check((copy) => rmSync(copy + suffix));
      expect([suffix, wrong]).toEqual([suffix, []]);
    }
  });
});

test("after an orderly end, a file cut at any place: no client resumes with a hole", async () => {
  const { path, check } = await tenEvents(false);
  for (const suffix of ["", ".1"]) {
    const bytes = readFileSync(path + suffix);
    for (let size = 0; size < bytes.byteLength; size++) {
      const { wrong } = await check((copy) => writeFileSync(copy + suffix, bytes.subarray(0, size)));
      expect([suffix, size, wrong]).toEqual([suffix, size, []]);
    }
  }
}, 60_000);

test("after a kill in a write: the unfinished line is dropped, and clients resume from the lines before it", async () => {
  const { path, check, published } = await tenEvents(true);
  const bytes = readFileSync(path);
  const start = bytes.lastIndexOf("\n", bytes.byteLength - 2) + 1;
  for (let size = start; size < bytes.byteLength; size++) {
    const { first } = await check((copy) => writeFileSync(copy, bytes.subarray(0, size)));
    expect([first.loaded.at(-1), first.resumable.at(-1), first.lines]).toEqual([published.length - 1, 9, []]);
  }
});

const STEPS = ["open", "write", "half a write", "datasync", "truncate", "rename", "syncFolder"] as const;
type Step = (typeof STEPS)[number];

/** Real file operations, of which some fail: the ones from `from` on, `count` of them. */
class FailingFiles implements FileOperations {
  readonly #fails: (step: Step) => boolean;
  #done = 0;
  failed = 0;

  constructor(steps: readonly Step[], from: number, count: number) {
    this.#fails = (step) => {
      if (!steps.includes(step)) return false;
      const at = this.#done++;
      if (at < from || at >= from + count) return false;
      this.failed++;
      return true;
    };
  }

  async open(path: string, flags: "r+" | "w") {
    this.#step("open");
    const handle = await fileOperations.open(path, flags);
    const write = async (bytes: Buffer, at: number, length: number, position: number) => {
      this.#step("write");
      const isHalf = this.#fails("half a write");
      const written = await handle.write(bytes, at, isHalf ? Math.ceil(length / 2) : length, position);
      if (isHalf) throw new Error("ENOSPC: half a write");
      return written;
    };
    return {
      write: write as FileHandle["write"],
      truncate: async (size?: number) => {
        this.#step("truncate");
        await handle.truncate(size);
      },
      datasync: async () => {
        this.#step("datasync");
        await handle.datasync();
      },
      close: () => handle.close(),
    };
  }

  async rename(from: string, to: string) {
    this.#step("rename");
    await fileOperations.rename(from, to);
  }

  syncFolder(path: string) {
    this.#step("syncFolder");
    fileOperations.syncFolder(path);
  }

  #step(step: Step): void {
    if (this.#fails(step)) throw new Error(`EIO: ${step}`);
  }
}

/** Appends events while some steps fail. Returns the stored events, and what a later start loads after an end or a kill. */
async function appendWhileFailing(steps: readonly Step[], from: number, count: number) {
  const { path, other, clock } = fixture();
  const before = open(path, clock);
  for (let n = 1; n <= 3; n++) await before.log.append([eventOf(n)]);
  await before.log.close();
  const files = new FailingFiles(steps, from, count);
  const { log } = open(path, clock, files);
  const stored = [1, 2, 3];
  // If the bytes of a refused event cannot be removed, a later start may load the event. The caller repeats it anyway.
  const isRefused = (cursor: string | undefined) => !stored.includes(Number(cursor?.slice(2)));
  for (let n = 4; n <= 16; n++) {
    const isStored = await log.append([eventOf(n)]).then(
      () => true,
      () => false,
    );
    if (isStored) stored.push(n);
    copyFiles(path, other);
    const killed = await resumeAll(other, clock, stored, count === 1 ? undefined : isRefused);
    if (killed.wrong.length > 0) return { files, stored, problem: `kill after ${n}: ${killed.wrong}` };
  }
  const isClosed = await log.close().then(
    () => true,
    () => false,
  );
  const { wrong, loaded } = await resumeAll(path, clock, stored, isClosed ? undefined : isRefused);
  return {
    files,
    stored,
    loaded: loaded.filter((n) => stored.includes(n)),
    problem: wrong.length > 0 ? `end: ${wrong}` : undefined,
  };
}

describe.each([
  ["one step fails", 1],
  ["the disk fails for some time", 5],
])("%s", (_, count) => {
  const cases: readonly (readonly [name: string, steps: readonly Step[]])[] = [
    ...STEPS.map((step) => [step, [step]] as const),
    ["write and truncate", ["half a write", "datasync", "truncate"]],
    ["all steps", STEPS],
  ];
  test.each(cases)(
    "%s: stored events are not lost, later writes work, and refused events do not come back after an orderly end",
    async (_, steps) => {
      for (let from = 0; ; from++) {
        const { files, stored, loaded, problem } = await appendWhileFailing(steps, from, count);
        if (files.failed === 0) break;
        expect([from, problem]).toEqual([from, undefined]);
        // Two files hold about eight events. The last rotation leaves at least one full file.
        expect(loaded).toEqual(stored.slice(-(loaded?.length ?? 0)));
        expect([from, (loaded?.length ?? 0) >= Math.min(4, stored.length)]).toEqual([from, true]);
        if (count === 1) expect(stored.length).toBeGreaterThanOrEqual(15);
      }
    },
    60_000,
  );
});
