import { describe, expect, it } from 'vitest';
import { type Fitting, fittingFont, inView, pinched, stepped } from './terminalZoom';

/** A cell of JetBrains Mono on a screen of whole pixels. */
function cellAt(font: number) {
  return { width: Math.floor(0.6 * font), height: Math.ceil(1.3 * font) };
}

function fitting(change: Partial<Fitting> = {}): Fitting {
  const space = { width: 720, height: 640 };
  return { zoom: 'auto', small: false, cols: 100, rows: 30, space, cellAt, ...change };
}

const PHONE = { small: true, space: { width: 380, height: 600 } };

describe('the font of a terminal', () => {
  it('is the largest at which all is in view, whichever side is the shorter', () => {
    expect(fittingFont(fitting())).toBe(12.5);
    expect(fittingFont(fitting({ space: { width: 690, height: 640 } }))).toBe(11.5);
    expect(fittingFont(fitting({ space: { width: 720, height: 390 } }))).toBe(10);
    expect(fittingFont(fitting({ cols: 400 }))).toBe(5);
    expect(fittingFont(fitting({ cols: 20, rows: 5 }))).toBe(18);
  });

  it('stays readable on a phone, unless all columns are wanted', () => {
    expect(fittingFont(fitting(PHONE))).toBe(11);
    expect(fittingFont(fitting({ ...PHONE, zoom: 'fit' }))).toBe(6.5);
    expect(fittingFont(fitting({ ...PHONE, cols: 40 }))).toBe(15.25);
  });

  it('does not shrink for the keyboard of a phone where all columns are wanted', () => {
    const typing = { ...PHONE, space: { width: 380, height: 100 } };
    expect(fittingFont(fitting({ ...typing, zoom: 'fit' }))).toBe(6.5);
  });

  it('is what was chosen, in any space', () => {
    expect(fittingFont(fitting({ zoom: 21 }))).toBe(21);
    expect(fittingFont(fitting({ ...PHONE, zoom: 7 }))).toBe(7);
    expect(fittingFont(fitting({ zoom: 400 }))).toBe(32);
  });

  it('goes by whole pixels with the buttons, by halves with two fingers', () => {
    expect(stepped(11.25, 1)).toBe(12);
    expect(stepped(11.25, -1)).toBe(11);
    expect(stepped(12, 1)).toBe(13);
    expect(stepped(12, -1)).toBe(11);
    expect([stepped(32, 1), stepped(6, -1)]).toEqual([32, 6]);
    expect(pinched(11, 1.5)).toBe(16.5);
    expect([pinched(11, 9), pinched(11, 0.1)]).toEqual([32, 6]);
  });
});

describe('the part in view', () => {
  it('stays where the cursor is in it', () => {
    expect(inView(40, 100, 60, 68, 25)).toBe(40);
    expect(inView(40, 100, 40, 48, 25)).toBe(40);
    expect(inView(40, 100, 132, 140, 25)).toBe(40);
  });

  it('follows a growing line with room to spare, but never past the cursor', () => {
    expect(inView(0, 100, 96, 104, 25)).toBe(29);
    expect(inView(0, 100, 196, 204, 300)).toBe(196);
    expect(inView(0, 100, 196, 204, 0)).toBe(104);
  });

  it('comes back to the beginning of the line, as far as the cursor allows', () => {
    expect(inView(300, 100, 16, 24, 25)).toBe(0);
    expect(inView(300, 100, 200, 208, 25)).toBe(108);
  });
});
