// What one does in a call: microphone, camera, screen, the rest in a menu, and leaving it.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Menu, Modal, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconDots,
  IconMicrophone,
  IconMicrophoneOff,
  IconPhoneOff,
  IconScreenShare,
  IconScreenShareOff,
  IconVideo,
  IconVideoOff,
} from '@tabler/icons-react';
import type { ReactNode, RefObject } from 'react';
import { canShareScreen } from '../../lib/call/devices';
import type { CallView } from '../../state/callStore';
import classes from './call.module.css';
import { DevicePicker } from './DevicePicker';
import { Diagnosis } from './Diagnosis';
import { explainCall } from './sentences';
import { useAct } from './useCalls';
import { useOwnMedia } from './useOwnMedia';
import { useRecording } from './useRecording';
import { useShowScreen } from './useShowScreen';

interface Props {
  roomId: string;
  call: CallView | undefined;
  stage: RefObject<HTMLElement | null>;
}

export function Controls({ roomId, call, stage }: Props) {
  const { t } = useLingui();
  const act = useAct();
  const { audio, video } = call ?? { audio: false, video: false };
  const set = (kind: 'audio' | 'video', on: boolean) => act((calls) => calls.call.set(kind, on));
  return (
    <div
      className={classes.controls}
      role="toolbar"
      aria-label={t`Call controls`}
      // Pressed with a pointer they take no focus: the space bar goes on being for talking.
      onMouseDown={(event) => event.preventDefault()}
    >
      {call && (
        <>
          <Control
            name={audio ? t`Turn the microphone off` : t`Turn the microphone on`}
            keys="M"
            hint={audio ? undefined : t`Hold the space bar to talk while muted`}
            off={!audio}
            icon={audio ? <IconMicrophone size={22} /> : <IconMicrophoneOff size={22} />}
            onClick={() => set('audio', !audio)}
          />
          <Control
            name={video ? t`Turn the camera off` : t`Turn the camera on`}
            keys="V"
            off={!video}
            icon={video ? <IconVideo size={22} /> : <IconVideoOff size={22} />}
            onClick={() => set('video', !video)}
          />
        </>
      )}
      <ShareScreen roomId={roomId} />
      <More call={call} roomId={roomId} stage={stage} />
      {call && (
        <Control
          name={t`Leave the call`}
          off
          icon={<IconPhoneOff size={22} />}
          onClick={() => act((calls) => calls.leave())}
        />
      )}
    </div>
  );
}

interface ControlProps {
  name: string;
  keys?: string;
  hint?: string;
  off?: boolean;
  pressed?: boolean;
  icon: ReactNode;
  onClick?: () => void;
}

function Control({ name, keys, hint, off, pressed, icon, onClick }: ControlProps) {
  return (
    <Tooltip
      multiline
      label={
        <>
          {keys ? `${name} (${keys})` : name}
          {hint && <div className={classes.keyboardOnly}>{hint}</div>}
        </>
      }
    >
      <ActionIcon
        size={48}
        radius="xl"
        variant="filled"
        color={off ? 'red' : pressed ? 'lagoon' : 'dark'}
        aria-label={name}
        aria-description={hint}
        aria-keyshortcuts={keys}
        onClick={onClick}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

function ShareScreen({ roomId }: { roomId: string }) {
  const { t, i18n } = useLingui();
  const act = useAct();
  const { own, fault, show } = useShowScreen(roomId);
  if (!canShareScreen())
    return (
      <Tooltip label={t`This browser cannot show its screen.`}>
        <ActionIcon
          size={48}
          radius="xl"
          variant="filled"
          color="dark"
          data-disabled
          aria-disabled
          aria-label={t`Show the screen`}
          aria-description={t`This browser cannot show its screen.`}
        >
          <IconScreenShare size={22} />
        </ActionIcon>
      </Tooltip>
    );
  return (
    <>
      <Menu position="top" withinPortal={false}>
        <Menu.Target>
          <ActionIcon
            size={48}
            radius="xl"
            variant="filled"
            color={own.length > 0 ? 'lagoon' : 'dark'}
            aria-label={t`Show the screen`}
          >
            <IconScreenShare size={22} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => void show('detail')}>
            <Trans>Show with sharp letters</Trans>
          </Menu.Item>
          <Menu.Item onClick={() => void show('motion')}>
            <Trans>Show as a smooth film</Trans>
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {own.length > 0 && (
        <Control
          name={t`Stop showing`}
          off
          icon={<IconScreenShareOff size={22} />}
          onClick={() => act((calls) => own.forEach((one) => void calls.screens.stop(one.sessionId)))}
        />
      )}
      {fault && (
        <Text size="sm" role="alert">
          {explainCall(i18n, { code: fault, detail: '' })}
        </Text>
      )}
    </>
  );
}

function More({ call, roomId, stage }: Props) {
  const { t } = useLingui();
  const media = useOwnMedia();
  const [choosing, devices] = useDisclosure(false);
  const [testing, tests] = useDisclosure(false);
  const recording = useRecording(roomId, call, stage);
  const video = () =>
    stage.current?.querySelector<HTMLVideoElement>('[data-main] video, video:not([data-hidden])');
  return (
    <>
      <Menu position="top-end" withinPortal={false}>
        <Menu.Target>
          <ActionIcon size={48} radius="xl" variant="filled" color="dark" aria-label={t`More`}>
            <IconDots size={22} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {media && call && (
            <Menu.Item onClick={devices.open}>
              <Trans>Devices…</Trans>
            </Menu.Item>
          )}
          {recording.possible && (
            <Menu.Item onClick={recording.toggle}>
              {recording.on ? <Trans>Stop recording</Trans> : <Trans>Record, and tell everybody</Trans>}
            </Menu.Item>
          )}
          {document.fullscreenEnabled && (
            <Menu.Item
              onClick={() =>
                void (document.fullscreenElement
                  ? document.exitFullscreen()
                  : stage.current?.requestFullscreen())
              }
            >
              <Trans>Full screen</Trans>
            </Menu.Item>
          )}
          {document.pictureInPictureEnabled && (
            <Menu.Item
              onClick={() =>
                void video()
                  ?.requestPictureInPicture()
                  .catch(() => {})
              }
            >
              <Trans>Picture in picture</Trans>
            </Menu.Item>
          )}
          <Menu.Item onClick={tests.open}>
            <Trans>Test everything</Trans>
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {media && (
        <Modal
          opened={choosing}
          onClose={devices.close}
          title={<Trans>Devices</Trans>}
          closeButtonProps={{ 'aria-label': t`Close` }}
        >
          <DevicePicker media={media} />
        </Modal>
      )}
      {testing && <Diagnosis onClose={tests.close} />}
    </>
  );
}
