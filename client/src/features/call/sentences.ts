// What can go wrong with a call, in sentences that say what to do next. What is not of a call is said as anywhere else.

import type { I18n, MessageDescriptor } from '@lingui/core';
import { msg } from '@lingui/core/macro';
import { explain } from '../../app/failures';

const SENTENCES: Record<string, MessageDescriptor> = {
  NO_ANSWER: msg`Nobody answered. They will see that you called.`,
  LEFT: msg`The other side has left the call.`,
  CALL_FULL: msg`This call is full: it carries 8 people. Wait until somebody leaves.`,
  declined: msg`The call was declined.`,
  CAP_NOT_ALLOWED: msg`Your role in this room may not do this, or the other side has just left. Ask the room’s owner.`,
  REVOKED: msg`The permission for this was taken back. Ask the room’s owner.`,
  LEASE_LAPSED: msg`The other side could not renew its permission in time. Try again.`,
  CAP_REFUSED: msg`This person could not prove that they may be here, and is neither seen nor heard.`,
  PROTOCOL: msg`The other side sent something that does not belong in a call, and was cut off.`,
  CONNECTION: msg`No direct connection could be made, or it was lost. Check your network, then try again.`,
  NO_DEVICE: msg`None was found. Plug one in, and it is used at once.`,
  MEDIA_DENIED: msg`The browser does not let this page use it. Allow it in the address bar, then try again.`,
  DEVICE_BUSY: msg`Another program is using it. Close that program, then try again.`,
  NO_MEDIA: msg`This browser gives it to pages on https only. Open Mesh at its https address.`,
};

export function explainCall(i18n: I18n, failure: { code: string; detail: string }): string {
  const known = SENTENCES[failure.code];
  return known ? i18n._(known) : explain(i18n, failure);
}
