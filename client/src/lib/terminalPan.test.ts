// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { TerminalPan } from './terminalPan';

const CELL = { width: 10, height: 20 };
const VIEW = { clientWidth: 200, clientHeight: 100 };
/** The screen of the terminal: 60 columns, 10 lines. */
const SCREEN = { width: 600, height: 200 };

/** A box that scrolls as a browser's does: within its content, and telling it. */
function laidOut(pan: TerminalPan): void {
  const { box } = pan;
  for (const [name, value] of Object.entries(VIEW)) Object.defineProperty(box, name, { value });
  for (const [name, max] of [
    ['scrollLeft', SCREEN.width - VIEW.clientWidth],
    ['scrollTop', SCREEN.height - VIEW.clientHeight],
  ] as const) {
    let now = 0;
    Object.defineProperty(box, name, {
      get: () => now,
      set: (wanted: number) => {
        now = Math.min(max, Math.max(0, Math.round(wanted)));
      },
    });
  }
}

describe('a terminal larger than its place', () => {
  let cursor: { x: number; y: number };
  /** How many older lines are shown. */
  let older: number;
  let pan: TerminalPan;
  const pinch = vi.fn();

  beforeEach(() => {
    cursor = { x: 0, y: 0 };
    older = 0;
    pan = new TerminalPan({
      cell: () => CELL,
      cursor: () => (older > 0 ? undefined : cursor),
      older: () => older > 0,
      history: (lines) => {
        const before = older;
        older = Math.max(0, older - lines);
        return older !== before;
      },
      pinchStart: () => {},
      pinch,
    });
    laidOut(pan);
    vi.stubGlobal('matchMedia', () => ({ matches: true }));
  });

  const at = () => [pan.box.scrollLeft, pan.box.scrollTop];

  function touch(type: string, x: number, y: number, pointerId = 1, pointerType = 'touch'): void {
    pan.box.dispatchEvent(new PointerEvent(type, { pointerId, pointerType, clientX: x, clientY: y }));
  }

  function swipe(from: [number, number], to: [number, number], pointerType = 'touch'): void {
    touch('pointerdown', ...from, 1, pointerType);
    touch('pointermove', ...to, 1, pointerType);
    touch('pointerup', ...to, 1, pointerType);
  }

  it('shows the line of the cursor from its beginning', () => {
    cursor = { x: 2, y: 9 };
    pan.resize(SCREEN);
    expect(at()).toEqual([0, 100]);
  });

  it('follows the cursor out of view and back', () => {
    cursor = { x: 19, y: 0 };
    pan.follow();
    expect(at()).toEqual([60, 0]);
    cursor = { x: 1, y: 5 };
    pan.follow();
    expect(at()).toEqual([0, 20]);
  });

  it('is panned by one finger in both directions, and not by a mouse', () => {
    swipe([150, 90], [50, 30]);
    expect(at()).toEqual([100, 60]);
    swipe([150, 90], [50, 30], 'mouse');
    expect(at()).toEqual([100, 60]);
  });

  it('goes on into older lines above its first, and comes back', () => {
    swipe([0, 0], [0, 50]);
    expect(older).toBe(2);
    expect(at()).toEqual([0, 0]);
    swipe([0, 50], [0, 10]);
    expect(older).toBe(0);
    swipe([0, 50], [0, 10]);
    expect(at()).toEqual([0, 40]);
  });

  it('follows nothing while somebody looks elsewhere, until they type', () => {
    swipe([300, 0], [100, 0]);
    expect(at()).toEqual([200, 0]);
    pan.follow();
    expect(at()).toEqual([200, 0]);
    pan.followAgain();
    expect(at()).toEqual([0, 0]);
  });

  it('follows nothing under a finger, and again once the cursor was left in view', () => {
    touch('pointerdown', 100, 0);
    cursor = { x: 40, y: 0 };
    pan.follow();
    expect(at()).toEqual([0, 0]);
    touch('pointermove', -200, 0);
    touch('pointerup', -200, 0);
    expect(at()).toEqual([300, 0]);
    cursor = { x: 0, y: 0 };
    pan.follow();
    expect(at()).toEqual([0, 0]);
  });

  it('follows what came under a finger that moved nothing away', () => {
    touch('pointerdown', 100, 0);
    cursor = { x: 40, y: 0 };
    pan.follow();
    touch('pointerup', 100, 0);
    expect(at()).toEqual([270, 0]);
  });

  it('glides on, and stops for typing', () => {
    vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'performance'] });
    vi.stubGlobal('matchMedia', () => ({ matches: false }));
    swipe([100, 0], [90, 0]);
    const [thrown] = at();
    vi.advanceTimersByTime(100);
    expect(pan.box.scrollLeft).toBeGreaterThan(thrown ?? 0);
    pan.followAgain();
    expect(at()).toEqual([0, 0]);
    vi.advanceTimersByTime(100);
    expect(at()).toEqual([0, 0]);
    // At the edge there is nothing to glide to: the cursor is followed again at once.
    swipe([90, 0], [100, 0]);
    vi.advanceTimersByTime(20);
    cursor = { x: 40, y: 0 };
    pan.follow();
    expect(at()).toEqual([270, 0]);
    vi.useRealTimers();
  });

  it('is left alone where a scroll bar took it', () => {
    pan.follow();
    pan.box.scrollLeft = 300;
    pan.box.dispatchEvent(new Event('scroll'));
    pan.follow();
    expect(at()).toEqual([300, 0]);
  });

  it('is zoomed by two fingers, as many times as they part', () => {
    touch('pointerdown', 50, 50, 1);
    touch('pointerdown', 150, 50, 2);
    touch('pointermove', 200, 50, 2);
    expect(pinch).toHaveBeenLastCalledWith(1.5);
    expect(at()).toEqual([0, 0]);
  });
});
