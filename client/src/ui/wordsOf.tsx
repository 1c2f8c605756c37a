// Words of a part of the page that is loaded on its own: the first screen carries those of everything else.

import { i18n, type Messages } from '@lingui/core';
import { useLingui } from '@lingui/react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { patiently } from '../lib/patiently';

type Catalogue = () => Promise<{ messages: Messages }>;
type Locale = 'en' | 'fr';

const inUse = new Set<(locale: Locale) => Promise<void>>();

/** Before the page is drawn in another language: the words of every part that has been shown. */
export async function loadWordsInUse(locale: Locale): Promise<void> {
  await Promise.all([...inUse].map((load) => load(locale)));
}

/** A frame that shows its children once their words are there, and goes on showing them in another language. */
export function wordsOf(part: string, catalogues: Record<Locale, Catalogue>) {
  const load = async (locale: Locale) => i18n.load(locale, (await patiently(catalogues[locale])).messages);
  return function Words({ children }: { children: ReactNode }) {
    const locale = useLingui().i18n.locale === 'fr' ? 'fr' : 'en';
    const words = useQuery({
      queryKey: ['words', part, locale],
      queryFn: async () => {
        inUse.add(load);
        await load(locale);
        return true;
      },
      placeholderData: keepPreviousData,
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: Number.POSITIVE_INFINITY,
    });
    return words.data ? children : null;
  };
}
