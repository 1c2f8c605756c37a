// Words of a part of the page that is loaded on its own: the first screen carries those of everything else.

import type { Messages } from '@lingui/core';
import { useLingui } from '@lingui/react';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

type Catalogue = () => Promise<{ messages: Messages }>;

/** A frame that shows its children once their words are there. */
export function wordsOf(part: string, catalogues: { en: Catalogue; fr: Catalogue }) {
  return function Words({ children }: { children: ReactNode }) {
    const { i18n } = useLingui();
    const locale = i18n.locale === 'fr' ? 'fr' : 'en';
    const words = useQuery({
      queryKey: ['words', part, locale],
      queryFn: async () => {
        const { messages } = await catalogues[locale]();
        i18n.load(locale, messages);
        return true;
      },
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: Number.POSITIVE_INFINITY,
    });
    return words.data ? children : null;
  };
}
