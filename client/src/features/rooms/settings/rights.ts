import type { MessageDescriptor } from '@lingui/core';
import { msg } from '@lingui/core/macro';

/** What may be asked for in a room, by the names of capabilities. */
export const RIGHT_NAMES: Record<string, MessageDescriptor> = {
  call: msg`Call`,
  screen: msg`Share a screen`,
  'share:file': msg`Send files`,
  'share:folder': msg`Send folders`,
  'terminal:view': msg`Watch terminals`,
  'terminal:control': msg`Control terminals`,
};
