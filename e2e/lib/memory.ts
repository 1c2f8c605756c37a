/** What the processes of a browser need, as the kernel counts it. */
import { readdirSync, readFileSync } from "node:fs";

const KIB = 1024;

function read(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    // It ended in between.
    return "";
  }
}

function field(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
}

/** The largest page process of the browser that uses this profile: most bytes in memory at any time so far, and now. */
export function pageProcess(profile: string): { peak: number; now: number } {
  const parents = new Map<string, string>();
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  let browser = "";
  for (const pid of processes) {
    parents.set(pid, String(field(read(pid, "status"), "PPid")));
    const command = read(pid, "cmdline");
    if (command.includes(`--user-data-dir=${profile}`) && !command.includes("--type=")) browser = pid;
  }
  if (browser === "") throw new Error(`no browser uses ${profile}`);
  const within = (pid: string): boolean => {
    for (let at = parents.get(pid); at !== undefined && at !== "0"; at = parents.get(at)) if (at === browser) return true;
    return false;
  };
  const pages = processes
    .filter((pid) => within(pid) && read(pid, "cmdline").includes("--type=renderer"))
    .map((pid) => read(pid, "status"))
    .map((status) => ({ peak: field(status, "VmHWM") * KIB, now: field(status, "VmRSS") * KIB }));
  return pages.reduce((most, one) => (one.peak > most.peak ? one : most), { peak: 0, now: 0 });
}
