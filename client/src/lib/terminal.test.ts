// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Frame } from '../protocol/frames';
import { TerminalScreen } from './terminal';

type Create = Awaited<
  ReturnType<NonNullable<ConstructorParameters<typeof TerminalScreen>[1]>>
>['createTerminal'];

/** How often the stand-in was drawn anew. */
let fontsSet = 0;

/** As much of xterm as a screen needs: it has a text area, and a cell is 0.6 of its font wide. */
function standIn(): { createTerminal: Create } {
  return {
    createTerminal: (element, options) => {
      const textarea = document.createElement('textarea');
      element.append(textarea);
      const term = {
        textarea,
        options: new Proxy(
          { ...options },
          { set: (target, name, value) => Reflect.set(target, name, value) && ++fontsSet > 0 },
        ),
        cols: options.cols,
        rows: options.rows,
        buffer: { active: { cursorX: 0, cursorY: 0, viewportY: 0, baseY: 0 } },
        focus: () => textarea.focus(),
        onData: () => {},
        onTitleChange: () => {},
        resize: () => {},
        reset: () => {},
        write: (_bytes: Uint8Array, shown: () => void) => shown(),
        dispose: () => {},
      };
      const cell = () => {
        const { fontSize = 0 } = term.options;
        return { width: 0.6 * fontSize, height: 1.3 * fontSize };
      };
      const echo = { path() {}, typed() {}, shown() {}, reset() {}, dispose() {} };
      return { term, cell, echo } as unknown as ReturnType<Create>;
    },
  };
}

describe('a terminal in the page', () => {
  let button: HTMLButtonElement;
  let composer: HTMLTextAreaElement;
  let holder: HTMLDivElement;
  let arrive: () => void;
  let screen: TerminalScreen;
  const sent: Frame[] = [];

  beforeEach(() => {
    document.body.innerHTML = '<button>Terminal</button><textarea></textarea><div></div>';
    [button, composer, holder] = [...document.body.children] as [
      HTMLButtonElement,
      HTMLTextAreaElement,
      HTMLDivElement,
    ];
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    sent.length = 0;
    screen = new TerminalScreen(
      { send: (frame) => sent.push(frame), size() {}, title() {}, link() {}, refusedInput() {} },
      () => arrived.then(standIn),
    );
    Object.defineProperty(screen.element, 'offsetWidth', { value: 380, configurable: true });
    Object.defineProperty(screen.element, 'offsetHeight', { value: 500 });
    small(false);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    localStorage.clear();
  });

  const small = (matches: boolean) => vi.stubGlobal('matchMedia', () => ({ matches }));
  const input = () => holder.querySelector('textarea');

  it('has the focus once it is there, from the button that was clicked', async () => {
    button.focus();
    screen.expectFocus();
    const attached = screen.attach(holder);
    screen.takeFocus();
    expect(document.activeElement).toBe(button);
    arrive();
    await attached;
    expect(document.activeElement).toBe(input());
  });

  it('leaves the focus to somebody who writes meanwhile', async () => {
    button.focus();
    screen.expectFocus();
    const attached = screen.attach(holder);
    composer.focus();
    arrive();
    await attached;
    expect(document.activeElement).toBe(composer);
    // The wish is over: later it does not come back by itself.
    composer.blur();
    screen.takeFocus();
    expect(document.activeElement).not.toBe(input());
  });

  it('does not come to the front unasked', async () => {
    arrive();
    await screen.attach(holder);
    screen.takeFocus();
    expect(document.activeElement).toBe(document.body);
  });

  it('has the focus when the control that was asked for is granted', async () => {
    arrive();
    await screen.attach(holder);
    button.focus();
    screen.expectFocus();
    screen.setControl(1);
    screen.takeFocus();
    expect(document.activeElement).toBe(input());
  });

  it('says what it is, and raises the keyboard of a phone for control only', async () => {
    screen.describe({ label: 'Saisie du terminal', describedBy: 'help' });
    arrive();
    await screen.attach(holder);
    expect(input()?.getAttribute('aria-label')).toBe('Saisie du terminal');
    expect(input()?.getAttribute('aria-describedby')).toBe('help');
    expect(input()?.inputMode).toBe('none');
    screen.setControl(1);
    expect(input()?.inputMode).toBe('text');
    screen.setControl(undefined);
    expect(input()?.inputMode).toBe('none');
  });

  it('shows all columns where there is room, and text to read on a phone', async () => {
    arrive();
    await screen.attach(holder);
    expect(screen.fits).toBe(true);
    expect(screen.font).toBe(7.75);
    small(true);
    screen.fitFont();
    expect(screen.fits).toBe(false);
    expect(screen.font).toBe(11);
    screen.setFits(true);
    expect(screen.font).toBe(7.75);
    screen.zoomBy(1);
    expect([screen.font, screen.fits]).toEqual([8, false]);
    screen.setFits(false);
    expect(screen.font).toBe(11);
  });

  it('remembers on this device how large the text is, and whether it is read aloud', async () => {
    arrive();
    await screen.attach(holder);
    screen.zoomBy(1);
    screen.setReaderMode(true);
    const other = new TerminalScreen(
      { send() {}, size() {}, title() {}, link() {}, refusedInput() {} },
      async () => standIn(),
    );
    Object.defineProperty(other.element, 'offsetWidth', { value: 900 });
    Object.defineProperty(other.element, 'offsetHeight', { value: 900 });
    await other.attach(holder);
    expect([other.font, other.readerMode]).toEqual([8, true]);
  });

  it('sends the keys of the bar and what Ctrl makes of the next one, under the lease only', async () => {
    arrive();
    await screen.attach(holder);
    screen.press('up');
    expect(sent).toEqual([]);
    screen.setControl(4);
    screen.press('up');
    const used = vi.fn();
    screen.setSticky({ ctrl: true, alt: false }, used);
    screen.input('c');
    screen.press('left');
    expect(used).toHaveBeenCalledTimes(2);
    // A word that a phone's keyboard completed is no key.
    screen.input('words');
    expect(used).toHaveBeenCalledTimes(2);
    const typed = sent.map((frame) => frame.type === 'TERM_IN' && new TextDecoder().decode(frame.bytes));
    expect(typed).toEqual(['\x1b[A', '\x03', '\x1b[1;5D', 'words']);
  });

  it('shows a new session from its first byte, and acknowledges nothing of the one before', async () => {
    arrive();
    await screen.attach(holder);
    const bytes = new Uint8Array(40_000);
    screen.frame({ type: 'TERM_OUT', seq: 0, bytes });
    expect(sent).toEqual([{ type: 'TERM_ACK', seq: 40_000 }]);
    screen.restart();
    screen.frame({ type: 'TERM_OUT', seq: 0, bytes: bytes.subarray(0, 33_000) });
    expect(sent[1]).toEqual({ type: 'TERM_ACK', seq: 33_000 });
  });

  it('is drawn anew only where its size changed', async () => {
    arrive();
    await screen.attach(holder);
    const before = fontsSet;
    screen.fitFont();
    expect(fontsSet).toBe(before);
    Object.defineProperty(screen.element, 'offsetWidth', { value: 300 });
    screen.fitFont();
    expect(fontsSet).toBeGreaterThan(before);
  });

  it('asks the host for what fits at the chosen size, while it controls', async () => {
    arrive();
    await screen.attach(holder);
    screen.setControl(3);
    screen.setFollowWindow(true);
    expect(sent).toEqual([{ type: 'TERM_RESIZE', epoch: 3, cols: 45, rows: 27 }]);
    screen.zoomBy(1);
    expect(sent[1]).toEqual({ type: 'TERM_RESIZE', epoch: 3, cols: 42, rows: 25 });
  });
});
