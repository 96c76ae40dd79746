import { readdirSync, readFileSync } from "node:fs";

/** Figures of the processes of a gateway, from /proc. Linux only. */

const KIB_PER_MB = 1024;
/** Number of the fields of /proc/<pid>/stat after the name (proc(5)). */
const [USER_FIELD, SYSTEM_FIELD] = [11, 12];
const TICK_MICROS = 10_000;

/** User and system time of a process and its children, in microseconds. Linux counts it in ticks of 10 ms. */
export function cpuMicros(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => {
    const stat = readFileSync(`/proc/${each}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[USER_FIELD]) + Number(fields[SYSTEM_FIELD])) * TICK_MICROS;
  }, 0);
}

/** The memory that only this process uses, in megabytes. */
export function privateMb(pid: number): number {
  const lines = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1").matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm);
  return [...lines].reduce((sum, [, kib]) => sum + Number(kib), 0) / KIB_PER_MB;
}

export function childrenOf(pid: number): number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  return listed.split(" ").filter(Boolean).map(Number);
}

/** The number of open files of a process. */
export function filesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
