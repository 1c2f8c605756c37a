import { type ComponentType, lazy } from 'react';
import { patiently } from '../lib/patiently';

/** A component that is not on the first screen: loaded when it is first shown. */
export function lazyPart<Props>(load: () => Promise<ComponentType<Props>>) {
  return lazy(async () => ({ default: await patiently(load) }));
}
