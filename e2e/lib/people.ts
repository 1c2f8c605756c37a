/** What people do in a room. */
import { expect, type Page } from "@playwright/test";

const PASSWORD = "another long sentence";

export async function invitation(page: Page): Promise<string> {
  await page.getByRole("banner").getByRole("button", { name: "Invite" }).click();
  await page.getByRole("button", { name: "Make link" }).click();
  const link = await page.getByText(/\/invite#token=/).innerText();
  await page.getByRole("button", { name: "Done" }).click();
  return link.trim();
}

export async function register(page: Page, link: string, name: string): Promise<void> {
  await page.goto(link);
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
  await page.getByRole("button", { name: /join|create/i }).click();
}

export async function join(page: Page, link: string, name: string): Promise<void> {
  await register(page, link, name);
  await expect(page.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
}
