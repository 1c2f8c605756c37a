// Predictions as they are drawn: over the screen, underlined, with a cursor of their own, until the host's echo stands there.
// xterm places them, with its scroll position and its font.

import type { IDecoration, IDisposable, Terminal } from '@xterm/xterm';
import { type EchoLine, EchoPredictor, type Predicted } from './terminalEcho';

export class EchoView {
  private readonly predictor = new EchoPredictor();
  private marker: IDisposable | undefined;
  private timer: number | undefined;

  constructor(private readonly term: Terminal) {
    term.onResize(() => this.reset());
    term.buffer.onBufferChange(() => this.reset());
  }

  path(rttMs: number): void {
    this.predictor.path(rttMs);
    this.draw();
  }

  typed(text: string): void {
    this.predictor.typed(text, lineOf(this.term), performance.now());
    this.draw();
    this.watch();
  }

  /** Output was written to the terminal. */
  shown(): void {
    this.predictor.shown(lineOf(this.term));
    this.draw();
    this.watch();
  }

  reset(): void {
    this.predictor.reset();
    this.draw();
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.marker?.dispose();
  }

  private watch(): void {
    window.clearTimeout(this.timer);
    const { expiresAt } = this.predictor;
    if (expiresAt === undefined) return;
    this.timer = window.setTimeout(() => {
      this.predictor.expire(performance.now());
      this.draw();
      this.watch();
    }, expiresAt - performance.now());
  }

  private draw(): void {
    const { predicted } = this.predictor;
    // What is drawn goes with its marker.
    this.marker?.dispose();
    this.marker = undefined;
    if (!predicted) return;
    const { baseY, cursorY } = this.term.buffer.active;
    const marker = this.term.registerMarker(predicted.y - baseY - cursorY);
    this.marker = marker;
    const first = Math.min(predicted.cursor, ...predicted.cells.map(({ x }) => x));
    const last = Math.max(predicted.cursor, ...predicted.cells.map(({ x }) => x));
    const decoration = this.term.registerDecoration({
      marker,
      x: first,
      width: last - first + 1,
      layer: 'top',
    });
    if (decoration) fill(decoration, predicted, first, last, this.term.options);
  }
}

function fill(
  decoration: IDecoration,
  { cells, cursor }: Predicted,
  first: number,
  last: number,
  { theme, fontFamily, fontSize }: Terminal['options'],
): void {
  const chars = new Map(cells.map(({ x, char }) => [x, char]));
  const parts: HTMLElement[] = [];
  for (let x = first; x <= last; x++) {
    const part = document.createElement('span');
    part.textContent = chars.get(x) ?? ' ';
    part.className = x === cursor ? 'mesh-echo-cursor' : chars.has(x) ? 'mesh-echo-cell' : '';
    parts.push(part);
  }
  decoration.onRender((element) => {
    if (element.firstChild !== parts[0]) element.replaceChildren(...parts);
    element.classList.add('mesh-echo');
    // A screen reader hears the host's echo.
    element.ariaHidden = 'true';
    element.style.fontFamily = fontFamily ?? '';
    element.style.fontSize = `${fontSize}px`;
    element.style.color = theme?.foreground ?? '';
    element.style.backgroundColor = theme?.background ?? '';
  });
}

function lineOf(term: Terminal): EchoLine {
  const buffer = term.buffer.active;
  const y = buffer.baseY + buffer.cursorY;
  const line = buffer.getLine(y);
  return {
    x: buffer.cursorX,
    y,
    cols: term.cols,
    alternate: buffer.type === 'alternate',
    at: (x) => line?.getCell(x)?.getChars() || ' ',
  };
}
