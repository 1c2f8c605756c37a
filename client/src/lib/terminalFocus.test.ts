// @vitest-environment happy-dom
import { afterEach, describe, expect, it } from 'vitest';
import { focusIsFree, focusOrigin } from './terminalFocus';

afterEach(() => document.body.replaceChildren());

function page(html: string): (selector: string) => HTMLElement {
  document.body.innerHTML = html;
  return (selector) => {
    const found = document.querySelector<HTMLElement>(selector);
    if (!found) throw new Error(`no ${selector}`);
    return found;
  };
}

describe('the focus for a terminal', () => {
  it('is free on nothing and on what asked for it', () => {
    const find = page('<button id="asked">Terminal</button>');
    expect(focusIsFree(document, undefined, null)).toBe(true);
    find('#asked').focus();
    expect(focusIsFree(document, focusOrigin(document), null)).toBe(true);
  });

  it('is not taken from where somebody went in the meantime', () => {
    const find = page(
      '<button id="asked">Terminal</button><button id="other">Invite</button><textarea></textarea>',
    );
    find('#asked').focus();
    const origin = focusOrigin(document);
    find('#other').focus();
    expect(focusIsFree(document, origin, null)).toBe(false);
    find('textarea').focus();
    expect(focusIsFree(document, origin, null)).toBe(false);
  });

  it('is never taken from a text, even where the wish came from there', () => {
    const find = page('<textarea></textarea>');
    find('textarea').focus();
    expect(focusIsFree(document, focusOrigin(document), null)).toBe(false);
  });

  it('comes from its own controls, but not from a text among them', () => {
    const find = page('<section><button>More</button><input></section>');
    find('button').focus();
    expect(focusIsFree(document, undefined, find('section'))).toBe(true);
    find('input').focus();
    expect(focusIsFree(document, undefined, find('section'))).toBe(false);
  });

  it('is free on what was hidden just now', () => {
    const find = page('<div id="chat"><textarea></textarea></div>');
    find('textarea').focus();
    find('textarea').checkVisibility = () => false;
    expect(document.activeElement).toBe(find('textarea'));
    expect(focusIsFree(document, undefined, null)).toBe(true);
  });
});
