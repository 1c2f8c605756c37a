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
    const mode = this.page.getByRole("menuitemcheckbox", { name: "Screen reader mode" });
    await mode.click();
    // With the menu the focus goes back to where it came from.
    await expect(mode).toBeHidden();
  }

  /** Where keys go. */
  get input(): Locator {
    return this.region.getByRole("textbox", { name: "Terminal input" });
  }

  /** The window onto a terminal that is larger than its place. */
  get box(): Locator {
    return this.region.locator(".mesh-terminal-screen");
  }

  async scrolled(): Promise<{ left: number; top: number }> {
    return this.box.evaluate(({ scrollLeft, scrollTop }) => ({ left: scrollLeft, top: scrollTop }));
  }

  /** One finger from the middle of the terminal, by so many pixels. */
  async swipe(dx: number, dy: number): Promise<void> {
    await this.touch((part) => [{ x: part * dx, y: part * dy }]);
  }

  /** Two fingers, at last so many times as far from each other as at first. */
  async pinch(ratio: number): Promise<void> {
    const apart = 40;
    await this.touch((part) => {
      const x = apart * (1 + part * (ratio - 1));
      return [
        { x: -x, y: 0 },
        { x, y: 0 },
      ];
    });
  }

  /** Fingers, by where they are from the middle of the terminal when a part of their way is done. */
  private async touch(fingers: (part: number) => { x: number; y: number }[]): Promise<void> {
    const place = await this.box.boundingBox();
    if (!place) throw new Error("the terminal is not in sight");
    const [x, y] = [place.x + place.width / 2, place.y + place.height / 2];
    const at = (part: number) => fingers(part).map((finger, id) => ({ x: x + finger.x, y: y + finger.y, id }));
    const session = await this.page.context().newCDPSession(this.page);
    await session.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at(0) });
    // The first movement tells a browser that this is no tap.
    for (const part of [0.2, 0.6, 1]) await session.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at(part) });
    await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await session.detach();
  }

  /** Where a character of the screen is, by its column and line. */
  private async place([column, line]: [number, number]): Promise<[number, number]> {
    const screen = this.region.locator(".xterm-screen");
    const [box, rows] = await Promise.all([screen.boundingBox(), this.text.locator("[role=listitem]").count()]);
    const size = await this.region.getByLabel("Size in characters").innerText();
    const columns = Number(size.split("×")[0]);
    if (!box) throw new Error("the terminal is not in sight");
    return [box.x + ((column + 0.5) * box.width) / columns, box.y + ((line + 0.5) * box.height) / rows];
  }

  async click(column: number, line: number): Promise<void> {
    const [x, y] = await this.place([column, line]);
    // A link is looked for where the mouse comes by.
    await this.page.mouse.move(x - 3, y);
    await this.page.mouse.move(x, y);
    await expect(this.region.locator(".xterm-cursor-pointer")).toBeVisible();
    await this.page.mouse.click(x, y);
  }

  /** Selects by the mouse, from the first character up to before the last. */
  async drag(from: [number, number], to: [number, number]): Promise<void> {
    const [start, end] = [await this.place([from[0] - 0.4, from[1]]), await this.place([to[0] - 0.4, to[1]])];
    await this.page.mouse.move(...start);
    await this.page.mouse.down();
    await this.page.mouse.move(...end, { steps: 4 });
    await this.page.mouse.up();
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
    await this.input.focus();
    await this.page.keyboard.type(text);
  }
}
