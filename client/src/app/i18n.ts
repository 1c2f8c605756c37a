// English and French. Messages are compiled at build time; one language is loaded at a time.

import { i18n } from '@lingui/core';

export const LANGUAGES = { en: 'English', fr: 'Français' } as const;
export type Language = keyof typeof LANGUAGES;
const STORED = 'mesh-language';

export function chosenLanguage(): Language | 'auto' {
  const stored = readStored();
  return stored === 'en' || stored === 'fr' ? stored : 'auto';
}

function browserLanguage(): Language {
  return navigator.languages
    .find((tag) => /^(en|fr)\b/i.test(tag))
    ?.toLowerCase()
    .startsWith('fr')
    ? 'fr'
    : 'en';
}

/** Dates and times as they are written where somebody lives: 24 hours in Britain, not so in America. */
function regionsOf(language: Language): string[] {
  const regions = navigator.languages.filter((tag) => tag.toLowerCase().startsWith(language));
  return regions.length > 0 ? regions : [language];
}

export async function activateLanguage(choice: Language | 'auto' = chosenLanguage()): Promise<void> {
  const language = choice === 'auto' ? browserLanguage() : choice;
  const { messages } =
    language === 'fr' ? await import('../locales/fr.po') : await import('../locales/en.po');
  i18n.loadAndActivate({ locale: language, locales: regionsOf(language), messages });
  document.documentElement.lang = language;
}

export async function chooseLanguage(choice: Language | 'auto'): Promise<void> {
  try {
    if (choice === 'auto') localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, choice);
  } catch {
    // Storage is off: the choice lasts for this visit.
  }
  await activateLanguage(choice);
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
