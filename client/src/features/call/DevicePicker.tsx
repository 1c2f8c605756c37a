// Microphone, camera and loudspeaker of this device, chosen before a call and in it.

import { useLingui } from '@lingui/react/macro';
import { Select, Stack, Switch } from '@mantine/core';
import { useState } from 'react';
import { useMesh } from '../../app/mesh';
import { type Choice, canBlur, canChooseOutput } from '../../lib/call/devices';
import type { LocalMedia } from '../../lib/call/localMedia';
import { useDevices } from './useDevices';

export function DevicePicker({
  media,
  onChange,
}: {
  media: LocalMedia;
  onChange?: (choice: Choice) => void;
}) {
  const { t } = useLingui();
  const mesh = useMesh();
  const [choice, setChoice] = useState(media.choice);
  const devices = useDevices(`${media.track('audio')?.id}${media.track('video')?.id}`);
  const choose = (change: Partial<Choice>) => {
    setChoice((before) => ({ ...before, ...change }));
    void media.choose(change).then(() => {
      onChange?.(media.choice);
      // The picture of this page is another one.
      mesh.calls.setState((state) => ({ ...state }));
    });
  };
  const options = (list: MediaDeviceInfo[], name: string) =>
    list.map((device, index) => ({ value: device.deviceId, label: device.label || `${name} ${index + 1}` }));
  const shown = (kind: 'audio' | 'video', wanted: string | undefined, list: MediaDeviceInfo[]) => {
    const used = media.track(kind)?.getSettings().deviceId ?? wanted;
    return list.some((device) => device.deviceId === used) ? used : undefined;
  };
  return (
    <Stack gap="sm">
      <Select
        size="sm"
        label={t`Microphone`}
        placeholder={devices.microphones.length > 0 ? t`The system’s choice` : t`No microphone found`}
        data={options(devices.microphones, t`Microphone`)}
        value={shown('audio', choice.microphone, devices.microphones) ?? null}
        disabled={devices.microphones.length === 0}
        onChange={(id) => id && choose({ microphone: id })}
      />
      <Select
        size="sm"
        label={t`Camera`}
        placeholder={devices.cameras.length > 0 ? t`The system’s choice` : t`No camera found`}
        data={options(devices.cameras, t`Camera`)}
        value={shown('video', choice.camera, devices.cameras) ?? null}
        disabled={devices.cameras.length === 0}
        onChange={(id) => id && choose({ camera: id })}
      />
      {canChooseOutput() && devices.outputs.length > 0 && (
        <Select
          size="sm"
          label={t`Loudspeaker`}
          placeholder={t`The system’s choice`}
          data={options(devices.outputs, t`Loudspeaker`)}
          value={devices.outputs.some(({ deviceId }) => deviceId === choice.output) ? choice.output : null}
          onChange={(id) => id && choose({ output: id })}
        />
      )}
      <Switch
        label={t`Suppress noise`}
        checked={choice.noiseSuppression}
        onChange={(event) => choose({ noiseSuppression: event.currentTarget.checked })}
      />
      {canBlur(media.track('video')) && (
        <Switch
          label={t`Blur the background`}
          checked={choice.blur}
          onChange={(event) => choose({ blur: event.currentTarget.checked })}
        />
      )}
    </Stack>
  );
}
