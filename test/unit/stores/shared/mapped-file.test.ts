import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync } from "node:fs";
import { mapSharedFile } from "../../../../src/stores/shared/mapped-file.ts";
import { createSharedMemory } from "../../../../src/transport/linux/shared-memory.ts";

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: files without a name need Linux";
const settingNames = { sizes: "a.size or b.size" };
const TABLES = [64 * 1024, 128 * 1024];

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a shared file without a name", () => {
  test("is the same memory for all that open it, with one key and one creation time", () => {
    const fd = createSharedMemory();
    const first = mapSharedFile({ fd, tables: TABLES, nowMs: 1000, settingNames });
    const second = mapSharedFile({ fd, tables: TABLES, nowMs: 2000, settingNames });
    expect([first.createdMs, second.createdMs]).toEqual([1000, 1000]);
    expect(second.key).toEqual(first.key);
    new Int32Array(first.buffer, first.offsets[1], 1)[0] = 42;
    expect(new Int32Array(second.buffer, second.offsets[1], 1)[0]).toBe(42);
    closeSync(fd);
    expect(new Int32Array(second.buffer, second.offsets[1], 1)[0]).toBe(42);
  });

  test("takes no memory for pages that nobody has used", () => {
    const fd = createSharedMemory();
    mapSharedFile({ fd, tables: [64 * 1024 * 1024], nowMs: 0, settingNames });
    const { size, blocks, mode } = fstatSync(fd);
    expect(size).toBeGreaterThan(64 * 1024 * 1024);
    expect(blocks * 512).toBeLessThan(64 * 1024);
    expect(mode & 0o777).toBe(0o600);
    closeSync(fd);
  });

  test("is not used with other sizes", () => {
    const fd = createSharedMemory();
    mapSharedFile({ fd, tables: TABLES, nowMs: 0, settingNames });
    expect(() => mapSharedFile({ fd, tables: [64 * 1024, 64 * 1024], nowMs: 0, settingNames })).toThrow(
      "other sizes; a change of a.size or b.size needs a restart",
    );
    closeSync(fd);
  });

  test("that is no file is a clear error", () => {
    expect(() => mapSharedFile({ fd: 99_999, tables: TABLES, nowMs: 0, settingNames })).toThrow("cannot be used");
  });
});
