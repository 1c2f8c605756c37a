// Recording what one sees and hears, told to everybody before it begins and shown while it goes on.

import { type RefObject, useEffect, useRef, useState } from 'react';
import { useMesh } from '../../app/mesh';
import { canRecord, StageRecorder, save } from '../../lib/call/recorder';
import type { CallView } from '../../state/callStore';
import { useAct } from './useCalls';

export function useRecording(
  roomId: string,
  call: CallView | undefined,
  stage: RefObject<HTMLElement | null>,
): { possible: boolean; on: boolean; toggle: () => void } {
  const mesh = useMesh();
  const act = useAct();
  const recorder = useRef<StageRecorder>(undefined);
  const [on, setOn] = useState(false);

  const tell = (recording: boolean) =>
    act((calls) => {
      calls.call.setRecording(recording);
      for (const screen of Object.values(mesh.calls.getState().screens))
        if (screen.roomId === roomId) calls.screens.setRecording(screen.sessionId, recording);
    });

  const voices = () => {
    const { call: now, screens } = mesh.calls.getState();
    const streams = [
      ...Object.values(now?.participants ?? {}).map((one) => one.media),
      ...Object.values(screens).map((one) => one.media),
    ];
    const own = ownVoice.current;
    return [...streams.flatMap((stream) => stream?.getAudioTracks() ?? []), ...(own ? [own] : [])];
  };
  const ownVoice = useRef<MediaStreamTrack>(undefined);

  const finish = () => {
    const ended = recorder.current;
    recorder.current = undefined;
    setOn(false);
    tell(false);
    const name = `Mesh ${new Date().toISOString().slice(0, 16).replace('T', ' ').replace(':', '.')}`;
    void ended?.stop().then((recording) => save(recording, name));
  };

  // What was recorded until the call ended, or the window became small, is kept.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, at the end
  useEffect(() => () => void (recorder.current && finish()), []);

  return {
    possible: canRecord(),
    on,
    toggle: () => {
      if (recorder.current) return finish();
      if (!stage.current) return;
      act((calls) => {
        ownVoice.current = call ? calls.call.media()?.track('audio') : undefined;
      });
      tell(true);
      recorder.current = new StageRecorder(stage.current, voices);
      setOn(true);
    },
  };
}
