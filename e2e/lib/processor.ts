/** What this test's browsers take of the processor, as the kernel counts it. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_S = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

function read(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    // It ended in between.
    return "";
  }
}

/** Seconds of one processor that the browsers below this process have used. */
export function browserSeconds(): number {
  // After the name, which may hold anything, in brackets (proc(5)): state, parent, and from the twelfth on user and system time.
  const processes = new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => [pid, read(pid, "stat").split(") ").at(-1)?.split(" ") ?? []] as const),
  );
  const below = (pid: string): boolean => {
    const parent = processes.get(pid)?.[1];
    return parent !== undefined && (Number(parent) === process.pid || below(parent));
  };
  let ticks = 0;
  for (const [pid, fields] of processes)
    if (below(pid) && read(pid, "cmdline").includes("chromium")) ticks += Number(fields[11]) + Number(fields[12]);
  return ticks / TICKS_PER_S;
}
