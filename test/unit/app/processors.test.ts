import { describe, expect, test } from "bun:test";
import { availableProcessors } from "../../../src/app/processors.ts";

/** The processors that a cgroup allows, from the files that the kernel shows in various containers. */

const V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
const V1_MOUNT = "33 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct";

function processors(parallelism: number, files: Readonly<Record<string, string>>): number {
  return availableProcessors({ parallelism, read: (path) => files[path] });
}

const v2 = (path: string, files: Record<string, string>, mount = V2_MOUNT) => ({
  "/proc/self/cgroup": `0::${path}\n`,
  "/proc/self/mountinfo": `22 1 8:1 / / rw - ext4 /dev/root rw\n${mount}\n`,
  ...files,
});

describe("cgroup version 2", () => {
  test("without a quota, the affinity counts", () => {
    expect(processors(8, v2("/", {}))).toBe(8);
    expect(processors(8, v2("/app.slice", { "/sys/fs/cgroup/app.slice/cpu.max": "max 100000\n" }))).toBe(8);
  });

  test.each([
    ["200000 100000", 2],
    ["250000 100000", 2],
    ["50000 100000", 1],
    ["1600000 100000", 8],
    ["75000 25000", 3],
  ])("a quota of %s allows %d of 8 processors", (quota, expected) => {
    expect(processors(8, v2("/", { "/sys/fs/cgroup/cpu.max": `${quota}\n` }))).toBe(expected);
  });

  test("a quota of any cgroup above counts", () => {
    const path = "/kubepods.slice/pod-1.slice/container.scope";
    const quotas = (container: string, pod: string, slice: string) => ({
      [`/sys/fs/cgroup${path}/cpu.max`]: container,
      "/sys/fs/cgroup/kubepods.slice/pod-1.slice/cpu.max": pod,
      "/sys/fs/cgroup/kubepods.slice/cpu.max": slice,
    });
    expect(processors(16, v2(path, quotas("max 100000", "300000 100000", "max 100000")))).toBe(3);
    expect(processors(16, v2(path, quotas("400000 100000", "max 100000", "200000 100000")))).toBe(2);
    expect(processors(16, v2(path, quotas("100000 100000", "300000 100000", "200000 100000")))).toBe(1);
  });

  test("a mount of a part of the hierarchy, and a path outside of it", () => {
    const mount = "30 23 0:26 /docker/4f2 /sys/fs/cgroup ro - cgroup2 cgroup rw";
    expect(processors(8, v2("/docker/4f2/app", { "/sys/fs/cgroup/app/cpu.max": "200000 100000" }, mount))).toBe(2);
    expect(processors(8, v2("/docker/4f2", { "/sys/fs/cgroup/cpu.max": "300000 100000" }, mount))).toBe(3);
    expect(processors(8, v2("/../other", { "/sys/fs/cgroup/cpu.max": "400000 100000" }))).toBe(4);
  });

  test("a mount point with a space", () => {
    const mount = "30 23 0:26 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw";
    expect(processors(8, v2("/a", { "/mnt/my groups/a/cpu.max": "200000 100000" }, mount))).toBe(2);
  });
});

describe("cgroup version 1", () => {
  const v1 = (path: string, files: Record<string, string>) => ({
    "/proc/self/cgroup": `12:memory:/docker/1\n4:cpu,cpuacct:${path}\n1:name=systemd:/docker/1\n0::/\n`,
    "/proc/self/mountinfo": `${V1_MOUNT}\n`,
    ...files,
  });
  const at = (folder: string, quota: number) => ({
    [`/sys/fs/cgroup/cpu,cpuacct${folder}/cpu.cfs_quota_us`]: `${quota}\n`,
    [`/sys/fs/cgroup/cpu,cpuacct${folder}/cpu.cfs_period_us`]: "100000\n",
  });

  test("the quota of the cgroup and of those above count; -1 is no quota", () => {
    expect(processors(8, v1("/docker/1", at("/docker/1", -1)))).toBe(8);
    expect(processors(8, v1("/docker/1", at("/docker/1", 300_000)))).toBe(3);
    expect(processors(8, v1("/docker/1", { ...at("/docker/1", -1), ...at("/docker", 150_000) }))).toBe(1);
  });
});

test("without readable or sensible files, the affinity counts, and there is at least one processor", () => {
  expect(processors(4, {})).toBe(4);
  expect(processors(4, v2("/", { "/sys/fs/cgroup/cpu.max": "nonsense" }))).toBe(4);
  expect(processors(4, v2("/", { "/sys/fs/cgroup/cpu.max": "0 0" }))).toBe(4);
  expect(processors(0, {})).toBe(1);
});

test("on this system, the result is between 1 and the number of processors", () => {
  const count = availableProcessors();
  expect(Number.isInteger(count)).toBe(true);
  expect(count).toBeGreaterThanOrEqual(1);
  expect(count).toBeLessThanOrEqual(navigator.hardwareConcurrency);
});
