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

/**
 * What the largest page process of the browser with this profile holds for itself (anonymous and shared memory, as the
 * browser's own task manager counts it), and all of it that is in memory, with the program that all pages share.
 */
function pageProcess(profile: string): { own: number; resident: number } {
  const parents = new Map<string, string>();
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  let browser = "";
  for (const pid of processes) {
    parents.set(pid, String(field(read(pid, "status"), "PPid")));
    const command = read(pid, "cmdline");
    if (command.includes(`--user-data-dir=${profile}`) && !command.includes("--type=")) browser = pid;
  }
  const within = (pid: string): boolean => {
    for (let at = parents.get(pid); at !== undefined && at !== "0"; at = parents.get(at)) if (at === browser) return true;
    return false;
  };
  return processes
    .filter((pid) => within(pid) && read(pid, "cmdline").includes("--type=renderer"))
    .map((pid) => read(pid, "status"))
    .map((status) => ({
      own: (field(status, "RssAnon") + field(status, "RssShmem")) * KIB,
      resident: field(status, "VmRSS") * KIB,
    }))
    .reduce((most, one) => (one.own > most.own ? one : most), { own: 0, resident: 0 });
}

/** Looks twice a second, from now until it is asked. */
export function watchMemory(profile: string): () => { own: number; resident: number } {
  const most = { own: 0, resident: 0 };
  const look = () => {
    const { own, resident } = pageProcess(profile);
    most.own = Math.max(most.own, own);
    most.resident = Math.max(most.resident, resident);
  };
  look();
  if (most.own === 0) throw new Error(`no browser uses ${profile}`);
  const timer = setInterval(look, 500);
  return () => {
    clearInterval(timer);
    return most;
  };
}
