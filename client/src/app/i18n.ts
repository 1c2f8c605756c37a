// English and French. Messages are compiled at build time; one language is loaded at a time.

import { i18n } from '@lingui/core';
import { patiently } from '../lib/patiently';
import { loadWordsInUse } from '../ui/wordsOf';

export const LANGUAGES = { en: 'English', fr: 'Français' } as const;
export type Language = keyof typeof LANGUAGES;
const STORED = 'mesh-language';
/** Where storage is off, the choice lasts for this visit. */
let choiceOfVisit: Language | 'auto' = 'auto';

export function chosenLanguage(): Language | 'auto' {
  const stored = readStored() ?? choiceOfVisit;
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
  const { messages } = await patiently(() =>
    language === 'fr' ? import('../locales/fr.po') : import('../locales/en.po'),
  );
  await loadWordsInUse(language);
  // Added to what is there: `loadAndActivate` would drop the words of parts.
  i18n.load(language, messages);
  i18n.activate(language, regionsOf(language));
  document.documentElement.lang = language;
}

export async function chooseLanguage(choice: Language | 'auto'): Promise<void> {
  choiceOfVisit = choice;
  try {
    if (choice === 'auto') localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, choice);
  } catch {
    // Storage is off.
  }
  await activateLanguage(choice);
}

/** What is chosen in another tab, and what the browser prefers from now on, holds here too. */
export function followLanguage(): void {
  window.addEventListener('storage', ({ key }) => {
    if (key === STORED) void activateLanguage();
  });
  window.addEventListener('languagechange', () => void activateLanguage());
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
