/** The shared terminal in a page, driven and read as a person with a screen reader does. */
import { expect, type Locator, type Page } from "@playwright/test";

export class TerminalOnPage {
  readonly region: Locator;

  constructor(
    private readonly page: Page,
    device: string,
  ) {
    this.region = page.getByRole("region", { name: `Terminal of ${device}` });
  }

  async readAloud(): Promise<void> {
    await this.page.getByRole("button", { name: "More about this terminal" }).click();
    await this.page.getByRole("menuitemcheckbox", { name: "Screen reader mode" }).click();
  }

  get text(): Locator {
    return this.region.locator(".xterm-accessibility-tree");
  }

  /** A line of the screen that reads so. */
  line(text: string): Locator {
    return this.text.getByText(new RegExp(`^${text}\\s*$`));
  }

  async takeControl(): Promise<void> {
    await this.page.getByRole("button", { name: "Ask for control" }).click();
    await expect(this.page.getByText("You control this terminal")).toBeVisible();
  }

  async type(text: string): Promise<void> {
    await this.region.getByRole("textbox", { name: "Terminal input" }).focus();
    await this.page.keyboard.type(text);
  }
}
