/** What a benchmark measured: its middle, and where it is kept. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { repository } from "./process.ts";

export const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Into the folder of the day, under the benchmark's name. */
export async function keep(name: string, results: unknown): Promise<void> {
  const folder = path.join(repository, "bench/results", `${new Date().toISOString().slice(0, 10)}-local`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${name}.json`), `${JSON.stringify(results, null, 2)}\n`);
}
