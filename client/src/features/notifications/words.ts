import { wordsOf } from '../../ui/wordsOf';

export const Words = wordsOf('notifications', {
  en: () => import('./locales/en.po'),
  fr: () => import('./locales/fr.po'),
});
