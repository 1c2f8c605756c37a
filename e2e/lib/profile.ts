/** A person with a browser of their own, whose profile is on the disk: a private window would keep its storage in memory. */
import path from "node:path";
import { chromium, type LaunchOptions, type Page } from "@playwright/test";
import { watchMemory } from "./memory.ts";
import type { World } from "./world.ts";

export interface Person {
  page: Page;
  /** The most that the page needed since it was opened. */
  memory: ReturnType<typeof watchMemory>;
  close: () => Promise<void>;
}

export async function person(world: World, name: string, options: LaunchOptions, locale = "en-GB"): Promise<Person> {
  const profile = path.join(world.folder, `profile-${name}`);
  const context = await chromium.launchPersistentContext(profile, { ...options, locale });
  const page = context.pages()[0] ?? (await context.newPage());
  return { page, memory: watchMemory(profile), close: () => context.close() };
}
