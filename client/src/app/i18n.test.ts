// @vitest-environment happy-dom
import { i18n } from '@lingui/core';
import { afterEach, expect, it, vi } from 'vitest';
import { activateLanguage, chooseLanguage, chosenLanguage, followLanguage } from './i18n';

afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

it('the words of a part that were loaded first are still there', async () => {
  i18n.load('fr', { part: ['Mots d’une partie'] });
  await activateLanguage('fr');
  expect(i18n._('part')).toBe('Mots d’une partie');
});

it('follows the choice of another tab', async () => {
  followLanguage();
  await activateLanguage('en');
  localStorage.setItem('mesh-language', 'fr');
  window.dispatchEvent(new StorageEvent('storage', { key: 'mesh-language' }));
  await vi.waitFor(() => expect(document.documentElement.lang).toBe('fr'));
});

it('remembers the choice for this visit where storage is off', async () => {
  vi.stubGlobal('localStorage', undefined);
  await chooseLanguage('fr');
  expect(chosenLanguage()).toBe('fr');
  await chooseLanguage('auto');
  expect(chosenLanguage()).toBe('auto');
});
