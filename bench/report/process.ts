// The CPU time and the memory of a process, from /proc. Other systems than Linux have none.

import { readFileSync, readdirSync } from "node:fs";

/** USER_HZ, which is 100 on every architecture that Node supports. */
const TICKS_PER_SECOND = 100;

function read(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** Returns the fields of /proc/PID/stat after the program's name, which may contain spaces. */
function fields(pid: number | string) {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? null;
}

/** Returns the ids of the process's children. */
export function childrenOf(pid: number): number[] {
  let all: string[];
  try {
    all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return all.filter((child) => fields(child)?.[1] === String(pid)).map(Number);
}

/** Returns how many files this process and those that it starts may have open, or Infinity if this is unknown. */
export function openFilesLimit(): number {
  const [, limit] = /^Max open files +(\d+)/m.exec(read("/proc/self/limits") ?? "") ?? [];
  return Number(limit ?? Infinity);
}

/** Returns the CPU time that a process has used, in milliseconds, or NaN. */
export function cpuMs(pid: number): number {
  const stat = fields(pid);
  return stat ? ((Number(stat[11]) + Number(stat[12])) * 1_000) / TICKS_PER_SECOND : NaN;
}

/** Returns the memory that a process alone occupies, in bytes, or NaN. */
export function memoryBytes(pid: number): number {
  const [, kilobytes] =
    /^Private_Dirty:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "") ?? [];
  return Number(kilobytes) * 1_024;
}
