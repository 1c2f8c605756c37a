// A terminal's screen: xterm with the host's size, its font scaled to the space at hand or as chosen, output in order with
// acknowledgements, and input only while this page holds control. xterm itself is loaded when the first screen opens.

import type { Terminal } from '@xterm/xterm';
import type { Frame } from '../protocol/frames';
import { focusIsFree, focusOrigin } from './terminalFocus';
import { type KeyName, keySequence, type Modifiers, modified } from './terminalKeys';
import { TerminalPan } from './terminalPan';
import { storedReaderMode, storedZoom, storeReaderMode, storeZoom, TERMINAL_FONT } from './terminalSettings';
import { fittingFont, isSmall, pinched, type Size, stepped, type Zoom } from './terminalZoom';
import type { createTerminal } from './xterm';

const ACK_EVERY_BYTES = 32 * 1024;
const ACK_AFTER_MS = 50;
const MAX_INPUT_BYTES = 32 * 1024;
const FONT_DEFAULT_PX = 14;

/** The host's titles are short and plain; whatever comes is made so. */
const MAX_TITLE = 256;
const NO_MODIFIERS: Modifiers = { ctrl: false, alt: false };

interface ScreenEvents {
  send: (frame: Frame) => void;
  size: (cols: number, rows: number) => void;
  /** What the program calls its window. */
  title: (title: string) => void;
  /** Somebody clicked an address. */
  link: (address: string) => void;
  /** Somebody typed without holding control. */
  refusedInput: () => void;
}

type Loaded = ReturnType<typeof createTerminal>;

/** What a screen reader says about the place where keys go. */
interface Described {
  label: string;
  /** Id of the element that says more. */
  describedBy: string;
}

type Output = { bytes: Uint8Array; upTo: number } | { cols: number; rows: number; reset: boolean };

export class TerminalScreen {
  private readonly pan = new TerminalPan({
    cell: () => this.loaded?.cell(),
    cursor: () => this.cursor(),
    older: () => this.older(),
    history: (lines) => this.history(lines),
    pinchStart: () => {
      this.pinchFont = this.font;
    },
    pinch: (ratio) => this.setZoom(pinched(this.pinchFont, ratio)),
  });
  private loaded: Loaded | undefined;
  private loading: Promise<void> | undefined;
  private readonly backlog: Output[] = [];
  private cols = 80;
  private rows = 24;
  private next = 0;
  private shown = 0;
  private acked = 0;
  private ackTimer: number | undefined;
  private epoch: number | undefined;
  /** Counts sessions: what an earlier one wrote is not acknowledged in a later one. */
  private session = 0;
  private reader = storedReaderMode();
  private sticky = NO_MODIFIERS;
  private stickyUsed = () => {};
  private disposed = false;
  private follow = false;
  private zoomed: Zoom = storedZoom();
  /** Sizes of a character that are known, by font. */
  private readonly cells = new Map<number, Size>();
  private pinchFont = FONT_DEFAULT_PX;
  private described: Described | undefined;
  /** Set while the focus shall come here; with what had it when that was wished. */
  private focusWish: { origin: Element | undefined } | undefined;

  constructor(
    private readonly events: ScreenEvents,
    private readonly loadXterm = () => import('./xterm'),
  ) {}

  /** It moves between the page's containers with its content. */
  get element(): HTMLElement {
    return this.pan.box;
  }

  /** Puts the screen into a container; call again after it was moved. */
  async attach(container: HTMLElement): Promise<void> {
    container.append(this.element);
    this.loading ??= this.load();
    await this.loading;
    this.fitFont();
    this.takeFocus();
  }

  detach(): void {
    this.element.remove();
  }

  dispose(): void {
    this.disposed = true;
    window.clearTimeout(this.ackTimer);
    this.element.remove();
    this.loaded?.echo.dispose();
    this.loaded?.term.dispose();
    this.loaded = undefined;
    this.backlog.length = 0;
  }

  focus(): void {
    this.loaded?.term.focus();
  }

  /** Somebody opened this screen or asked to control it: the focus may come from what they clicked. */
  expectFocus(): void {
    this.focusWish = { origin: focusOrigin(document) };
  }

  /** The focus comes as soon as there is something to take it, unless somebody took it elsewhere in the meantime. */
  takeFocus(): void {
    if (!this.focusWish || !this.loaded || !this.element.isConnected) return;
    const own = this.element.closest('section');
    if (focusIsFree(document, this.focusWish.origin, own)) this.focus();
    this.focusWish = undefined;
  }

  describe(described: Described): void {
    this.described = described;
    const textarea = this.loaded?.term.textarea;
    textarea?.setAttribute('aria-label', described.label);
    textarea?.setAttribute('aria-describedby', described.describedBy);
  }

  /** A new session for the same screen: it begins with a snapshot, and what is seen stays until then. */
  restart(): void {
    this.session += 1;
    this.next = 0;
    this.shown = 0;
    this.acked = 0;
    window.clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
  }

  /** The path's round trip, as it is measured now. */
  path(rttMs: number | undefined): void {
    if (rttMs !== undefined) this.loaded?.echo.path(rttMs);
  }

  /** Frames of the terminal that concern the screen. */
  frame(frame: Frame): void {
    if (frame.type === 'TERM_SNAPSHOT') {
      if (frame.first) this.put({ cols: frame.cols, rows: frame.rows, reset: true });
      // Parts of a snapshot all stand for one position; only the last one may be acknowledged with it.
      this.put({ bytes: frame.bytes, upTo: frame.last ? frame.seq : -1 });
      if (frame.last) this.next = frame.seq;
    } else if (frame.type === 'TERM_OUT') {
      // What a snapshot already showed is not shown again.
      const skip = Math.max(0, this.next - frame.seq);
      if (skip >= frame.bytes.length) return;
      this.next = frame.seq + frame.bytes.length;
      this.put({ bytes: frame.bytes.subarray(skip), upTo: this.next });
    } else if (frame.type === 'TERM_RESIZE') {
      this.put({ cols: frame.cols, rows: frame.rows, reset: false });
    }
  }

  /** The lease's epoch while this page controls, else undefined. */
  setControl(epoch: number | undefined): void {
    this.epoch = epoch;
    if (epoch === undefined) this.follow = false;
    if (this.loaded) this.loaded.term.options.cursorBlink = epoch !== undefined;
    this.offerKeyboard();
  }

  /** Typing from the key bar. */
  input(text: string): void {
    this.type(text);
    this.focus();
  }

  /** A key that a phone's keyboard lacks. */
  press(key: KeyName): void {
    const { applicationCursorKeysMode = false } = this.loaded?.term.modes ?? {};
    this.send(keySequence(key, this.sticky, applicationCursorKeysMode));
    this.stickyUsed();
    this.focus();
  }

  /** What the next key has beside it; `used` tells that a key was sent so. */
  setSticky(modifiers: Modifiers, used: () => void): void {
    this.sticky = modifiers;
    this.stickyUsed = used;
  }

  get readerMode(): boolean {
    return this.reader;
  }

  setReaderMode(on: boolean): void {
    this.reader = on;
    storeReaderMode(on);
    if (this.loaded) this.loaded.term.options.screenReaderMode = on;
  }

  /** Where to look for a text; nothing before the first screen. */
  get search(): Loaded['search'] | undefined {
    return this.loaded?.search;
  }

  /** Whether a program has the whole screen, and no older lines. */
  get fullScreenProgram(): boolean {
    return this.loaded?.term.buffer.active.type === 'alternate';
  }

  /** What is selected, else the lines in sight. */
  private text(): string {
    const { term } = this.loaded ?? {};
    if (!term) return '';
    if (term.hasSelection()) return term.getSelection();
    const { viewportY } = term.buffer.active;
    const lines = Array.from({ length: term.rows }, (_, row) =>
      term.buffer.active.getLine(viewportY + row)?.translateToString(true),
    );
    return lines.join('\n').trimEnd();
  }

  get selected(): boolean {
    return this.loaded?.term.hasSelection() ?? false;
  }

  clearSelection(): void {
    this.loaded?.term.clearSelection();
  }

  /** What is selected, or in sight, goes to the clipboard; false where the browser does not allow it. */
  async copy(): Promise<boolean> {
    try {
      await navigator.clipboard.writeText(this.text());
      return true;
    } catch (error) {
      console.debug('not by the clipboard', error);
      // Without TLS there is no clipboard: xterm itself answers to the browser's own command, with the selection.
      this.focus();
      return this.selected && document.execCommand('copy');
    }
  }

  selectAll(): void {
    this.loaded?.term.selectAll();
  }

  /** While in control: ask the host for the size that fills this window at the usual font. */
  setFollowWindow(on: boolean): void {
    this.follow = on;
    this.fitFont();
  }

  /** Whether the text is as large as all columns allow. */
  get fits(): boolean {
    return this.zoomed === 'fit' || (this.zoomed === 'auto' && !isSmall());
  }

  setFits(on: boolean): void {
    if (on) this.setZoom('fit');
    else this.setZoom(isSmall() ? 'auto' : FONT_DEFAULT_PX);
  }

  /** The size of the text, in CSS pixels. */
  get font(): number {
    return this.loaded?.term.options.fontSize ?? FONT_DEFAULT_PX;
  }

  private setZoom(zoom: Zoom): void {
    this.zoomed = zoom;
    storeZoom(zoom);
    this.fitFont();
  }

  zoomBy(step: 1 | -1): void {
    this.setZoom(stepped(this.font, step));
  }

  /** The container's size changed. */
  fitFont(): void {
    const { term, cell } = this.loaded ?? {};
    if (!term || !cell || !this.element.isConnected) return;
    const small = isSmall();
    // Scroll bars included: what fits needs none.
    const space = { width: this.element.offsetWidth, height: this.element.offsetHeight };
    if (space.width <= 0 || space.height <= 0) return;
    if (this.follow && this.epoch !== undefined) this.askForSize(this.epoch, cell, space);
    else {
      // The host's size wins: find the font at which it fits.
      const { cols, rows, zoomed: zoom } = this;
      const cellAt = (font: number) => this.cellAt(font, term, cell);
      this.setFont(fittingFont({ zoom, small, cols, rows, space, cellAt }));
    }
    const now = cell();
    if (now) this.pan.resize({ width: this.cols * now.width, height: this.rows * now.height });
  }

  /** A character at some font: to know it, xterm has to try it once. */
  private cellAt(font: number, term: Terminal, cell: () => Size | undefined): Size {
    const now = cell();
    const known = this.cells.get(this.font);
    // On another screen, or drawn in another way, characters have another size.
    if (known && now && (known.width !== now.width || known.height !== now.height)) this.cells.clear();
    const before = this.cells.get(font);
    if (before) return before;
    term.options.fontSize = font;
    const { width, height } = cell() ?? { width: 0, height: 0 };
    this.cells.set(font, { width, height });
    return { width, height };
  }

  /** Set only where it changes: a screen whose font is set is blank for a moment. */
  private setFont(font: number): void {
    const { term } = this.loaded ?? {};
    if (term && term.options.fontSize !== font) term.options.fontSize = font;
  }

  private askForSize(epoch: number, cell: () => Size | undefined, space: Size): void {
    this.setFont(typeof this.zoomed === 'number' ? this.zoomed : FONT_DEFAULT_PX);
    const { width, height } = cell() ?? {};
    if (!width || !height) return;
    const cols = Math.floor(space.width / width);
    const rows = Math.floor(space.height / height);
    if (cols > 1 && rows > 1 && (cols !== this.cols || rows !== this.rows))
      this.events.send({ type: 'TERM_RESIZE', epoch, cols, rows });
  }

  private older(): boolean {
    const buffer = this.loaded?.term.buffer.active;
    return buffer !== undefined && buffer.viewportY < buffer.baseY;
  }

  private history(lines: number): boolean {
    const { term } = this.loaded ?? {};
    const before = term?.buffer.active.viewportY;
    term?.scrollLines(lines);
    return term?.buffer.active.viewportY !== before;
  }

  private cursor(): { x: number; y: number } | undefined {
    const buffer = this.loaded?.term.buffer.active;
    return buffer && !this.older() ? { x: buffer.cursorX, y: buffer.cursorY } : undefined;
  }

  /** On a phone, the keyboard comes up for somebody who may type only. */
  private offerKeyboard(): void {
    const textarea = this.loaded?.term.textarea;
    if (textarea) textarea.inputMode = this.epoch === undefined ? 'none' : 'text';
  }

  private put(output: Output): void {
    if (this.disposed) return;
    if (this.loaded) this.show(output);
    // Bounded by the host, which stops at 512 KiB without an acknowledgement.
    else this.backlog.push(output);
  }

  private show(output: Output): void {
    const term = this.loaded?.term;
    if (!term) return;
    if ('cols' in output) {
      this.loaded?.echo.reset();
      if (output.reset) term.reset();
      this.cols = output.cols;
      this.rows = output.rows;
      if (term.cols !== output.cols || term.rows !== output.rows) term.resize(output.cols, output.rows);
      this.events.size(output.cols, output.rows);
      this.fitFont();
      return;
    }
    const { session } = this;
    term.write(output.bytes, () => {
      this.pan.follow();
      this.loaded?.echo.shown();
      if (output.upTo >= 0 && session === this.session) this.acknowledge(output.upTo);
    });
  }

  private acknowledge(upTo: number): void {
    this.shown = Math.max(this.shown, upTo);
    if (this.shown - this.acked >= ACK_EVERY_BYTES) this.sendAck();
    else this.ackTimer ??= window.setTimeout(() => this.sendAck(), ACK_AFTER_MS);
  }

  private sendAck(): void {
    window.clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    if (this.disposed || this.shown === this.acked) return;
    this.acked = this.shown;
    this.events.send({ type: 'TERM_ACK', seq: this.shown });
  }

  private type(text: string): void {
    const { ctrl, alt } = this.sticky;
    // One character at a time: what a phone's keyboard completes is a word, and no key.
    const typed = (ctrl || alt) && [...text].length === 1 ? modified(text, this.sticky) : undefined;
    this.send(typed ?? text);
    if (typed !== undefined) this.stickyUsed();
  }

  private send(text: string): void {
    if (this.epoch === undefined) {
      this.events.refusedInput();
      return;
    }
    this.pan.followAgain();
    this.loaded?.echo.typed(text);
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += MAX_INPUT_BYTES)
      this.events.send({
        type: 'TERM_IN',
        epoch: this.epoch,
        bytes: bytes.subarray(at, at + MAX_INPUT_BYTES),
      });
  }

  private async load(): Promise<void> {
    const [{ createTerminal }] = await Promise.all([
      this.loadXterm(),
      document.fonts?.load(`14px ${TERMINAL_FONT}`).catch(() => {}),
    ]);
    if (this.disposed) return;
    const options = {
      fontFamily: TERMINAL_FONT,
      fontSize: FONT_DEFAULT_PX,
      cols: this.cols,
      rows: this.rows,
      screenReaderMode: this.reader,
      cursorBlink: this.epoch !== undefined,
    };
    this.loaded = createTerminal(this.pan.content, options, this.events.link);
    if (this.described) this.describe(this.described);
    this.offerKeyboard();
    this.loaded.term.onData((text) => this.type(text));
    this.loaded.term.onTitleChange((title) => this.events.title(plain(title)));
    for (const output of this.backlog.splice(0)) this.show(output);
  }
}

/** Without what would hide or turn round other letters. */
function plain(title: string): string {
  return title
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .slice(0, MAX_TITLE)
    .trim();
}
