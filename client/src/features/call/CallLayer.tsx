// Everything of calls and screens that is not a way in: what rings, the call itself, large or small, and what was missed.

import { useMesh } from '../../app/mesh';
import classes from './call.module.css';
import { Missed } from './Missed';
import { Over } from './Over';
import { PreJoin } from './PreJoin';
import { RingList } from './RingList';
import { Small } from './Small';
import { Stage } from './Stage';
import { useCalls } from './useCalls';
import { Words } from './words';

export function CallLayer() {
  return (
    <Words>
      <Layer />
    </Words>
  );
}

function Layer() {
  const mesh = useMesh();
  const call = useCalls((state) => state.call);
  const large = useCalls((state) => state.large);
  // A screen that is watched or shown outside of a call has the same place.
  const screen = useCalls((state) =>
    Object.values(state.screens).find((one) => one.phase !== 'offered' && one.roomId !== state.call?.roomId),
  );
  const setLarge = (next: boolean) => mesh.calls.setState({ large: next });
  const before = call?.phase === 'prejoin' || call?.phase === 'over';
  const roomId = call?.phase === 'in' || call?.phase === 'joining' ? call.roomId : screen?.roomId;
  const going = before ? undefined : roomId;
  return (
    <>
      <RingList />
      <Missed />
      {large && (before || going) ? (
        <main className={classes.main}>
          {call?.phase === 'prejoin' && <PreJoin call={call} />}
          {call?.phase === 'over' && <Over call={call} />}
          {going && <Stage roomId={going} onSmall={() => setLarge(false)} />}
        </main>
      ) : (
        going && <Small roomId={going} onLarge={() => setLarge(true)} />
      )}
    </>
  );
}
