// The words of this part have catalogues of their own, which are loaded with it: the first screen has none of them.

import { setupI18n } from '@lingui/core';
import { I18nProvider, useLingui } from '@lingui/react';
import { type ReactNode, useEffect, useState } from 'react';

export function OwnWords({ children }: { children: ReactNode }) {
  const { i18n } = useLingui();
  const [own] = useState(() => setupI18n());
  const [shown, show] = useState('');
  const locale = i18n.locale;
  useEffect(() => {
    let current = true;
    const words = locale === 'fr' ? import('./locales/fr.po') : import('./locales/en.po');
    void words.then(({ messages }) => {
      if (!current) return;
      own.loadAndActivate({ locale, messages });
      show(locale);
    });
    return () => {
      current = false;
    };
  }, [own, locale]);
  return shown ? <I18nProvider i18n={own}>{children}</I18nProvider> : null;
}
