import { useEffect, useState } from 'react';
import { type Devices, listDevices, watchDevices } from '../../lib/call/devices';

/** What is plugged in, as it changes. `again`: read anew, since names come with the permission. */
export function useDevices(again: unknown): Devices {
  const [devices, setDevices] = useState<Devices>({ microphones: [], cameras: [], outputs: [] });
  // biome-ignore lint/correctness/useExhaustiveDependencies: `again` is the occasion, not an input
  useEffect(() => {
    const read = () => void listDevices().then(setDevices);
    read();
    return watchDevices(read);
  }, [again]);
  return devices;
}
