import { wordsOf } from '../../../ui/wordsOf';

export const Words = wordsOf('files', {
  en: () => import('./locales/en.po'),
  fr: () => import('./locales/fr.po'),
});
