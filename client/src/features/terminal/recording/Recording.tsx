// A recording from its text, or what is wrong with it.

import { Trans } from '@lingui/react/macro';
import { useMemo } from 'react';
import { NotACast, parseCast } from '../../../lib/asciicast';
import { Problem } from '../../../ui/Problem';
import { Words } from '../words';
import { Player } from './Player';

export function Recording({ text }: { text: string }) {
  const cast = useMemo(() => {
    try {
      return parseCast(text);
    } catch (error) {
      if (error instanceof NotACast) return undefined;
      throw error;
    }
  }, [text]);
  return (
    <Words>
      {cast ? (
        <Player cast={cast} />
      ) : (
        <Problem>
          <Trans>
            This is no recording that can be played here: it takes asciicast files (.cast) of version 2 or 3.
          </Trans>
        </Problem>
      )}
    </Words>
  );
}
