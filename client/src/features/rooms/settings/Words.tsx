// The words of what few people read, loaded with it: the first screen carries those of everything else.

import { useLingui } from '@lingui/react/macro';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

export function Words({ children }: { children: ReactNode }) {
  const { i18n } = useLingui();
  const words = useQuery({
    queryKey: ['words', i18n.locale],
    queryFn: async () => {
      const { messages } =
        i18n.locale === 'fr' ? await import('./locales/fr.po') : await import('./locales/en.po');
      i18n.load(i18n.locale, messages);
      return true;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  return words.data ? children : null;
}
