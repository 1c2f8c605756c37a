// Incoming offers, of whatever room, wait at the top of the page until they are answered.

import { Suspense } from 'react';
import { lazyPart } from '../../ui/lazyPart';
import classes from './files.module.css';
import { useTransfers } from './useTransfers';

const OfferCard = lazyPart(() => import('./tray/OfferCard').then((module) => module.OfferCard));

/** `roomId`: the room that is in sight; offers of others say where they come from. */
export function Offers({ roomId }: { roomId?: string }) {
  const offers = useTransfers().filter((transfer) => transfer.phase === 'offered');
  return (
    <div role="status" aria-live="polite" className={offers.length > 0 ? classes.offers : undefined}>
      <Suspense>
        {offers.map((offer) => (
          <OfferCard key={offer.sessionId} offer={offer} elsewhere={offer.roomId !== roomId} />
        ))}
      </Suspense>
    </div>
  );
}
