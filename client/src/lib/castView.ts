// The screen of a recording: xterm as large as the recording says, its text as large as the place allows. Nobody types here.

import type { Cast } from './asciicast';
import type { CastScreen } from './castPlayer';
import { storedReaderMode, TERMINAL_FONT } from './terminalSettings';
import { fittingFont, isSmall } from './terminalZoom';
import type { createTerminal } from './xterm';

export class CastView implements CastScreen {
  private loaded: ReturnType<typeof createTerminal> | undefined;
  private disposed = false;
  private readonly element = document.createElement('div');

  constructor(
    private readonly container: HTMLElement,
    private readonly onLink: (address: string) => void,
  ) {}

  async open({ cols, rows }: Cast): Promise<void> {
    const [{ createTerminal }] = await Promise.all([
      import('./xterm'),
      document.fonts?.load(`14px ${TERMINAL_FONT}`).catch(() => {}),
    ]);
    if (this.disposed) return;
    this.container.append(this.element);
    const options = {
      cols,
      rows,
      fontFamily: TERMINAL_FONT,
      disableStdin: true,
      cursorInactiveStyle: 'outline' as const,
      screenReaderMode: storedReaderMode(),
    };
    this.loaded = createTerminal(this.element, options, this.onLink);
    this.fit();
  }

  dispose(): void {
    this.disposed = true;
    this.loaded?.echo.dispose();
    this.loaded?.term.dispose();
    this.element.remove();
  }

  fit(): void {
    const { term, cell } = this.loaded ?? {};
    if (!term || !cell) return;
    const style = getComputedStyle(this.container);
    const space = {
      width: this.container.clientWidth - 2 * Number.parseFloat(style.paddingLeft),
      height: this.container.clientHeight - 2 * Number.parseFloat(style.paddingTop),
    };
    const cellAt = (font: number) => {
      term.options.fontSize = font;
      return cell() ?? { width: 0, height: 0 };
    };
    const { cols, rows } = term;
    const font = fittingFont({ zoom: 'auto', small: isSmall(), cols, rows, space, cellAt });
    term.options.fontSize = font;
    this.element.style.width = `${cols * (cell()?.width ?? 0)}px`;
  }

  write(text: string): void {
    this.loaded?.term.write(text);
  }

  resize(cols: number, rows: number): void {
    const { term } = this.loaded ?? {};
    if (!term || (term.cols === cols && term.rows === rows)) return;
    term.resize(cols, rows);
    this.fit();
  }

  reset(): void {
    this.loaded?.term.reset();
  }
}
