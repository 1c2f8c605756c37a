import { wordsOf } from '../../../ui/wordsOf';

export const Words = wordsOf('room-settings', {
  en: () => import('./locales/en.po'),
  fr: () => import('./locales/fr.po'),
});
