import { wordsOf } from '../../ui/wordsOf';

export const Words = wordsOf('call', {
  en: () => import('./locales/en.po'),
  fr: () => import('./locales/fr.po'),
});
