import { wordsOf } from '../../ui/wordsOf';

export const Words = wordsOf('folders', {
  en: () => import('./locales/en.po'),
  fr: () => import('./locales/fr.po'),
});
