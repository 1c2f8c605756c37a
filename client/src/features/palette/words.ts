import { wordsOf } from '../../ui/wordsOf';

export const Words = wordsOf('palette', {
  en: () => import('./locales/en.po'),
  fr: () => import('./locales/fr.po'),
});
