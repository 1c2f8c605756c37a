// The part of a terminal that is in view where the terminal is larger than its place: panned by fingers, scroll bars and
// wheel, and following the cursor, unless somebody panned it away from there.

import { onTouch } from './terminalTouch';
import { inView, type Size } from './terminalZoom';

interface Panned {
  /** A character, or nothing while there is no screen yet. */
  cell: () => Size | undefined;
  /** The cursor's column and line on the screen; nothing while older lines are shown. */
  cursor: () => { x: number; y: number } | undefined;
  /** Whether older lines are shown. */
  older: () => boolean;
  /** Shows older lines (negative) or newer ones; false where there are none. */
  history: (lines: number) => boolean;
  pinchStart: () => void;
  pinch: (ratio: number) => void;
}

export class TerminalPan {
  /** The window onto the terminal. */
  readonly box = document.createElement('div');
  /** As large as the terminal, at least as large as the box: xterm opens in here. */
  readonly content = document.createElement('div');
  private following = true;
  private held = false;
  /** Where following put the box; any other position is somebody's hand. */
  private placed = { left: 0, top: 0 };
  /** Parts of pixels and of lines that are still to be panned. */
  private rest = { left: 0, top: 0, lines: 0 };
  private readonly still: () => void;
  private pinchedAt = { x: 0, y: 0 };

  constructor(private readonly panned: Panned) {
    this.box.className = 'mesh-terminal-screen';
    this.content.className = 'mesh-terminal-content';
    this.box.append(this.content);
    this.box.addEventListener('scroll', () => this.scrolled());
    this.still = onTouch(this.box, {
      pan: (dx, dy) => this.pan(dx, dy),
      held: (held) => this.hold(held),
      pinchStart: (middle) => {
        this.pinchedAt = this.within(middle);
        panned.pinchStart();
      },
      pinch: (ratio, middle) => {
        const now = this.within(middle);
        this.pan(now.x - this.pinchedAt.x, now.y - this.pinchedAt.y);
        this.pinchedAt = now;
        panned.pinch(ratio);
      },
    });
  }

  /** The terminal is so large now, because it has another size or another font. */
  resize({ width, height }: Size): void {
    const { box, content } = this;
    const before = { width: content.offsetWidth, height: content.offsetHeight };
    content.style.width = `max(100%, ${width}px)`;
    content.style.height = `max(100%, ${height}px)`;
    if (this.held && before.width > 0 && before.height > 0) {
      // What is between the fingers stays there.
      const { x, y } = this.pinchedAt;
      box.scrollLeft = ((box.scrollLeft + x) * content.offsetWidth) / before.width - x;
      box.scrollTop = ((box.scrollTop + y) * content.offsetHeight) / before.height - y;
    }
    this.follow();
  }

  /** The cursor moved, or what surrounds it. */
  follow(): void {
    const cell = this.panned.cell();
    const cursor = this.panned.cursor();
    if (!this.following || this.held || !cell || !cursor) return;
    const { box } = this;
    const left = cursor.x * cell.width;
    const top = cursor.y * cell.height;
    // Two characters beside the cursor, one of them for its own width.
    const x = inView(box.scrollLeft, box.clientWidth, left, left + 2 * cell.width, box.clientWidth / 4);
    const y = inView(box.scrollTop, box.clientHeight, top, top + cell.height, 0);
    if (x !== box.scrollLeft) box.scrollLeft = x;
    if (y !== box.scrollTop) box.scrollTop = y;
    this.placed = { left: box.scrollLeft, top: box.scrollTop };
  }

  /** Somebody types: they want to see where. */
  followAgain(): void {
    this.still();
    this.following = true;
    this.follow();
  }

  private hold(held: boolean): void {
    this.held = held;
    this.rest = { left: 0, top: 0, lines: 0 };
    if (!held) this.follow();
  }

  /** Whether anything moved. */
  private pan(dx: number, dy: number): boolean {
    const { box, rest } = this;
    rest.left -= dx;
    const left = box.scrollLeft;
    box.scrollLeft += rest.left;
    rest.left = partOfPixel(rest.left - (box.scrollLeft - left));
    const moved = this.panLines(-dy) || box.scrollLeft !== left || rest.left !== 0;
    this.following = this.cursorInView();
    return moved;
  }

  /** Up to the screen's first line, then on into older ones; back the same way. */
  private panLines(way: number): boolean {
    const { box, rest, panned } = this;
    const height = panned.cell()?.height;
    if (!height || way === 0) return false;
    if (way < 0 ? box.scrollTop <= 0 : panned.older()) {
      rest.lines += way / height;
      const lines = Math.trunc(rest.lines);
      rest.lines -= lines;
      return lines === 0 || panned.history(lines);
    }
    rest.top += way;
    const top = box.scrollTop;
    box.scrollTop += rest.top;
    rest.top = partOfPixel(rest.top - (box.scrollTop - top));
    return box.scrollTop !== top || rest.top !== 0;
  }

  private scrolled(): void {
    const { box, placed } = this;
    if (Math.abs(box.scrollLeft - placed.left) <= 1 && Math.abs(box.scrollTop - placed.top) <= 1) return;
    this.placed = { left: box.scrollLeft, top: box.scrollTop };
    if (!this.held) this.following = this.cursorInView();
  }

  private cursorInView(): boolean {
    const cell = this.panned.cell();
    const cursor = this.panned.cursor();
    if (!cell) return true;
    if (!cursor) return false;
    const { box } = this;
    const left = cursor.x * cell.width;
    const top = cursor.y * cell.height;
    return (
      inView(box.scrollLeft, box.clientWidth, left, left + cell.width, 0) === box.scrollLeft &&
      inView(box.scrollTop, box.clientHeight, top, top + cell.height, 0) === box.scrollTop
    );
  }

  private within({ x, y }: { x: number; y: number }): { x: number; y: number } {
    const { left, top } = this.box.getBoundingClientRect();
    return { x: x - left, y: y - top };
  }
}

/** What the browser rounded away comes with the next movement; what the edge stopped does not. */
function partOfPixel(rest: number): number {
  return Math.abs(rest) < 1 ? rest : 0;
}
