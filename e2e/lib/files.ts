/** Files with content that nobody could guess, their hash, and how a person chooses them. */
import { randomFillSync } from "node:crypto";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { FileChooser, Locator, Page } from "@playwright/test";
import { createBLAKE3 } from "hash-wasm";

const MIB = 1024 * 1024;

export async function randomFile(path: string, mebibytes: number): Promise<string> {
  const content = Buffer.allocUnsafe(mebibytes * MIB);
  for (let at = 0; at < content.length; at += MIB) randomFillSync(content, at, MIB);
  await writeFile(path, content);
  return blake3(path);
}

export async function blake3(path: string): Promise<string> {
  const hash = await createBLAKE3();
  for await (const chunk of createReadStream(path, { highWaterMark: 4 * MIB })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Presses the button that asks for files, anywhere on a page or within a part of it, and gives it these. */
export async function pick(within: Page | Locator, button: string, what: Parameters<FileChooser["setFiles"]>[0]): Promise<void> {
  const page = "page" in within ? within.page() : within;
  const chooser = page.waitForEvent("filechooser");
  await within.getByRole("button", { name: button, exact: true }).click();
  await (await chooser).setFiles(what);
}
